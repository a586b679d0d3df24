"""Models that overwrite what their backward pass needs, or compute with kernels that have none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import comfy.model_management
import torch
from torch import Tensor, nn

from host_support.scenarios.small_models import (
    UNET_SHAPE,
    eps_model,
    flux_model,
    noisy_batch,
    pack,
    prompts,
    settings,
    train,
    trainable,
)


def flux_gradients() -> dict[str, float]:
    """Largest relative difference of a tensor's gradient with and without checkpointing; slopes of the loss."""
    found = []
    for checkpointing in (False, True):
        lora = settings(layers="all linear")
        with trainable(flux_model(), lora=lora, checkpointing=checkpointing) as denoiser:
            _move(denoiser, 1.0)
            _loss(denoiser).backward()
            found.append([each.grad.clone() for each in denoiser.parameters])
            slope = sum(float((each.grad * along).sum()) for each, along in _along(denoiser))
            ends = []
            for by in (0.01, -0.02):
                _move(denoiser, by)
                with torch.no_grad():
                    ends.append(float(_loss(denoiser).double()))
    return {
        "difference": max(_relative(*pair) for pair in zip(*found, strict=True)),
        "gradient": slope,
        "slope": (ends[0] - ends[1]) / 0.02,
    }


class _Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm, self.layer = nn.LayerNorm(4), nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        x += self.layer(self.norm(x))
        y = x * 1
        y.addcmul_(self.norm(y), x.sigmoid())
        return y


class _Spoilt(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        y = x.exp()  # whose backward pass needs its result
        y.mul_(2)
        return y


def residual_block() -> dict[str, float]:
    """Largest relative difference of gradients from those of the same block without a write."""
    with torch.inference_mode(False):
        torch.manual_seed(0)
        block, start = _Residual(), torch.randn(3, 4)

        def right(x: Tensor) -> Tensor:
            x = x + block.layer(block.norm(x))
            return x + block.norm(x) * x.sigmoid()

        found = {}
        for name, forward in {"right": right, **_around(block)}.items():
            block.zero_grad()
            x = start.clone().requires_grad_()
            forward(forward(x * 2)).square().sum().backward()
            found[name] = [x.grad, *(each.grad.clone() for each in block.parameters())]
        return {
            name: max(_relative(*pair) for pair in zip(found["right"], each, strict=True))
            for name, each in found.items()
        }


def _around(block: nn.Module) -> dict[str, Callable[[Tensor], Tensor]]:
    """The block's forward as it is wrapped, without and with checkpointing."""
    training = "nodes.host.training"
    ((_, safe),) = pack(f"{training}.overwritten").reads_copied([block])
    again = pack(f"{training}.checkpointing")._Checkpointed(lambda: torch.enable_grad)
    return {"safe": safe(block.forward), "safe, computed again": again(safe(block.forward))}


def spoilt_block() -> str:
    with torch.inference_mode(False):
        safe = _around(_Spoilt())["safe"]
        try:
            safe(torch.ones(2, requires_grad=True) * 2)
        except pack("ganrm_core.utils.errors").DataError as error:
            return str(error)
    return ""


@torch.library.custom_op("gan_rm_tests::twice", mutates_args=())
def _twice(x: Tensor) -> Tensor:
    return x * 2


def kernel_without_backward() -> dict[str, Any]:
    model, during = eps_model(), []

    def patch(q: Tensor, context: Tensor, value: Tensor, _options: Any) -> Any:
        during.append(_is_training())
        return _twice(q), context, value

    model.set_model_attn1_patch(patch)
    said = ""
    try:
        with trainable(model, prompts(24), UNET_SHAPE) as denoiser:
            train(denoiser, shape=UNET_SHAPE)
    except pack("ganrm_core.utils.errors").DataError as error:
        said = str(error)
    has_flag = hasattr(comfy.model_management, "in_training")
    return {"said": said, "during": set(during) == {has_flag}, "after": _is_training()}


def _is_training() -> bool:
    return bool(getattr(comfy.model_management, "in_training", False))


def _loss(denoiser: Any) -> Tensor:
    clean, sigma, noisy = noisy_batch(denoiser)
    loss: Tensor = (denoiser.denoise(noisy, sigma, 0) - clean).square().mean()
    return loss


def _along(denoiser: Any) -> list[tuple[Any, Tensor]]:
    """Each parameter with a random direction."""
    random = torch.Generator().manual_seed(5)
    return [(each, torch.randn(each.shape, generator=random) / 10) for each in denoiser.parameters]


@torch.no_grad()
def _move(denoiser: Any, by: float) -> None:
    for parameter, along in _along(denoiser):
        parameter += by * along


def _relative(one: Tensor, other: Tensor) -> float:
    return float((one - other).norm() / one.norm())
