"""Training a LoRA through ComfyUI's wrapper: the same picture afterwards, right gradients, nothing left behind."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import comfy.model_management
import comfy.sd
import comfy.utils
import safetensors.torch
import torch
from torch import Tensor

from host_support.scenarios.small_models import (
    SHAPE,
    UNET_SHAPE,
    eps_model,
    flow_model,
    flux_model,
    left_behind,
    noisy_batch,
    pack,
    prompts,
    sampled,
    settings,
    train,
    trainable,
)


def same_picture_flow() -> dict[str, float]:
    return _same_picture(flow_model(), prompts(), SHAPE, settings())


def same_picture_eps_all_layers() -> dict[str, float]:
    return _same_picture(eps_model(), prompts(24), UNET_SHAPE, settings(layers="all", alpha=2.0))


def same_picture_flux() -> dict[str, float]:
    return _same_picture(flux_model(), prompts(), SHAPE, settings())


def same_picture_on_top_of_a_lora() -> dict[str, float]:
    with trainable(flow_model(), lora=settings(layers="all linear")) as denoiser:
        train(denoiser)
        below = denoiser.lora_dict()
    model, _ = comfy.sd.load_lora_for_models(flow_model(), None, below, 0.7, 0)
    return _same_picture(model, prompts(), SHAPE, settings())


def after_success() -> dict[str, Any]:
    return _after(lambda _denoiser: None)


def after_cancel() -> dict[str, Any]:
    return _after(_raise_inside(comfy.model_management.InterruptProcessingException()))


def after_newer_cancel() -> dict[str, Any]:
    class Cancelled(BaseException):
        pass

    return _after(_raise_inside(Cancelled()))


def after_error_in_the_backward_pass() -> dict[str, Any]:
    def fail(denoiser: Any) -> None:
        clean, sigma, noisy = noisy_batch(denoiser)
        predicted = denoiser.denoise(noisy, sigma, 0)
        predicted.register_hook(_raise(ValueError("in the backward pass")))
        (predicted - clean).square().mean().backward()

    return _after(fail, checkpointing=True)


def after_out_of_memory() -> dict[str, Any]:
    return _after(_raise_inside(torch.OutOfMemoryError("CUDA out of memory")))


def after_out_of_memory_while_loading() -> dict[str, Any]:
    model = flow_model()
    before, untouched = sampled(model), left_behind(model)
    load = comfy.model_management.load_models_gpu
    comfy.model_management.load_models_gpu = _raise(torch.OutOfMemoryError("CUDA out of memory"))
    try:
        with trainable(model):
            raise AssertionError("it was loaded")
    except torch.OutOfMemoryError:
        pass
    finally:
        comfy.model_management.load_models_gpu = load
    return _compared(model, before, untouched)


def with_weights_that_want_gradients() -> dict[str, Any]:
    with torch.inference_mode(False):
        model = flow_model()
        model.model.requires_grad_(True)
        model.model.diffusion_model.joint_blocks[0].requires_grad_(False)
    return _after(lambda _denoiser: None, model)


def reference_is_the_base() -> dict[str, float]:
    model = flow_model()
    with trainable(model) as denoiser:
        _, sigma, noisy = noisy_batch(denoiser)
        base = denoiser.denoise(noisy, sigma, 0).detach()
        train(denoiser)
        reference = denoiser.reference(noisy, sigma, 0)
        trained = denoiser.denoise(noisy, sigma, 0)
        return {
            "base": _largest(reference - base),
            "trained": _largest(trained.detach() - base),
            "wanting": float(reference.requires_grad),
        }


def prompts_stay_apart() -> dict[str, float]:
    with trainable(flow_model()) as denoiser, torch.no_grad():
        train_one = noisy_batch(denoiser)
        _, sigma, noisy = train_one
        both = [denoiser.denoise(noisy, sigma, number) for number in (0, 1)]
        negative = denoiser.unconditional(noisy, sigma)
        alone = torch.cat([denoiser.denoise(noisy[i : i + 1], sigma[i : i + 1], 0) for i in range(2)])
        return {
            "alone": _largest(both[0] - alone),
            "other": _largest(both[0] - both[1]),
            "negative": _largest(both[0] - negative),
        }


def gradients_are_the_slope() -> dict[str, float]:
    """Of the loss along a random direction, by the gradients and by central differences (float64 sums)."""
    with trainable(flow_model(), lora=settings(layers="all linear")) as denoiser:
        train(denoiser, steps=2)
        pairs = zip(_gradients(denoiser), _direction(denoiser), strict=True)
        slope = sum(float((gradient.double() * along.double()).sum()) for gradient, along in pairs)
        step, losses = 1e-3, []
        for sign in (1, -1):
            _move(denoiser, sign * step)
            losses.append(_loss(denoiser))
            _move(denoiser, -sign * step)
        return {"gradient": slope, "difference": (losses[0] - losses[1]) / (2 * step)}


def checkpointing_changes_nothing() -> dict[str, Any]:
    found = {}
    for name, model, given, shape in (
        ("flow", flow_model(), prompts(), SHAPE),
        ("eps", eps_model(), prompts(24), UNET_SHAPE),
    ):
        gradients = []
        for checkpointing in (False, True):
            with trainable(model, given, shape, checkpointing=checkpointing) as denoiser:
                train(denoiser, 2, shape=shape)
                gradients.append(_gradients(denoiser, shape))
                count = len(pack("nodes.host.training.checkpointing").blocks_of(model.model.diffusion_model))
        found[name] = {"blocks": count, "difference": max(map(_difference, *gradients))}
    return found


def patches_see_the_same_block_twice() -> list[list[Any]]:
    """What a patch of a block is told, in the forward pass and when the block is computed again."""
    model = eps_model()
    seen: list[Any] = []

    def patch(q: Tensor, context: Tensor, value: Tensor, options: dict[str, Any]) -> Any:
        seen.append([*options["block"], options["block_index"]])
        return q, context, value

    model.set_model_attn1_patch(patch)
    with trainable(model, prompts(24), UNET_SHAPE, checkpointing=True) as denoiser:
        train(
            denoiser, 1, shape=UNET_SHAPE
        )  # the first time, blocks run once more to see what they overwrite
        seen.clear()
        clean, sigma, noisy = noisy_batch(denoiser, UNET_SHAPE)
        predicted = denoiser.denoise(noisy, sigma, 0)
        forward = list(seen)
        seen.clear()
        (predicted - clean).square().mean().backward()
        return [forward, list(seen)]


def blocks_that_write_into_their_inputs() -> float:
    """Largest difference of gradients with and without checkpointing, of a block with `x += …`."""
    from torch import nn

    checkpointing = pack("nodes.host.training.checkpointing")

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.Linear(4, 4), nn.Linear(4, 4)

        def forward(self, x: Tensor) -> Tensor:
            x += 1
            return self.second(torch.tanh(self.first(x)))

    with torch.inference_mode(False):
        torch.manual_seed(0)
        blocks = nn.ModuleList([Block(), Block()])
        holder = nn.Module()
        holder.blocks = blocks
        start, found = torch.randn(3, 4), []
        again = pack("nodes.host.training.forward_wrappers").ForwardWrappers(
            checkpointing.checkpointed_blocks(holder, lambda: torch.enable_grad)
        )
        for wrapped in (False, True, True):  # the second time it is known that the block writes
            if wrapped:
                again.inject()
            holder.zero_grad()
            x = start.clone().requires_grad_()
            y = x * 2
            for block in blocks:
                y = block(y)
            y.square().sum().backward()
            found.append([x.grad, *(weight.grad.clone() for weight in holder.parameters())])
            again.eject()
    return max(
        _difference(one, other) for again in found[1:] for one, other in zip(found[0], again, strict=True)
    )


def offloaded_layers_are_recomputed() -> dict[str, float]:
    """A layer whose weight waits elsewhere: the same gradient, and its weight is not kept."""
    from torch import nn

    class Away(nn.Module):
        comfy_cast_weights = True

        def __init__(self) -> None:
            super().__init__()
            self.weight = torch.empty(4, 4, device="meta")
            self.there = torch.randn(4, 4)

        def forward(self, x: Tensor) -> Tensor:
            weight = self.there.clone()
            y = nn.functional.linear(x, weight)
            used.append(weight)
            return y

    used: list[Tensor] = []
    with torch.inference_mode(False):
        layer = Away()
        wrappers = pack("nodes.host.training.forward_wrappers").ForwardWrappers(
            pack("nodes.host.training.checkpointing").offloaded_layers(layer)
        )
        wrappers.inject()
        x = torch.randn(3, 4, requires_grad=True)
        y = layer(x)
        used[0].zero_()  # as when the next layer's weight is copied into the same memory
        y.square().sum().backward()
        right = 2 * (x.detach() @ layer.there.T) @ layer.there
    return {"difference": _largest(x.grad - right), "computed": float(len(used))}


def float16_gradients() -> dict[str, float]:
    """Cosine of the gradients of a float16 and a float32 model, of a loss that is tiny."""
    gradients = []
    for dtype in (torch.float16, torch.float32):
        model = flow_model(dtype)
        model.model.manual_cast_dtype = None  # computed in it too, which ComfyUI avoids on a CPU
        with trainable(model) as denoiser:
            train(denoiser, 2)
            denoiser.load_state(
                {name: torch.full_like(tensor, 0.01) for name, tensor in denoiser.state().items()}
            )
            found = _gradients(denoiser, weight=1e-7)
            gradients.append(torch.cat([each.flatten() for each in found]).double())
            kinds = {each.dtype for each in found}
    return {
        "cosine": float((gradients[0] / gradients[0].norm()) @ (gradients[1] / gradients[1].norm())),
        "size": float(gradients[0].norm() / gradients[1].norm()),
        "float32": float(kinds == {torch.float32}),
    }


def used_by_others_in_between() -> dict[str, float]:
    """Rollouts with the LoRA and with the base, and all models unloaded, between two steps."""
    model = flow_model()
    base = sampled(model)
    with trainable(model) as denoiser:
        train(denoiser)
        _, sigma, noisy = noisy_batch(denoiser)
        before = denoiser.denoise(noisy, sigma, 0).detach()
        with_lora = sampled(denoiser.sampling_model)
        of_clone = sampled(denoiser.sampling_model.clone())
        after_rollout = denoiser.denoise(noisy, sigma, 0).detach()
        of_base = sampled(model)
        after_base = denoiser.denoise(noisy, sigma, 0).detach()
        comfy.model_management.unload_all_models()
        train(denoiser, 1)
        loaded, _ = comfy.sd.load_lora_for_models(model, None, denoiser.lora_dict(), 1.0, 0)
        return {
            "rollout": _largest(after_rollout - before),
            "base": _largest(of_base - base),
            "after base": _largest(after_base - before),
            "clone": _largest(of_clone - with_lora),
            "differs": _largest(with_lora - base),
            "after unload": _largest(sampled(loaded) - sampled(denoiser.sampling_model)),
        }


def layers_that_never_run() -> dict[str, Any]:
    model = flow_model()
    with torch.inference_mode(False):
        model.model.diffusion_model.joint_blocks[0].x_block.attn.unused = torch.nn.Linear(8, 8)
    with trainable(model) as denoiser:
        train(denoiser)
        return {
            "never": denoiser.layers.never_ran(),
            "saved": [name for name in denoiser.lora_dict() if "unused" in name],
            "others": len(denoiser.lora_dict()),
        }


def state_comes_back() -> dict[str, float]:
    with trainable(flow_model()) as denoiser:
        train(denoiser)
        kept = denoiser.state()
        _, sigma, noisy = noisy_batch(denoiser)
        before = denoiser.denoise(noisy, sigma, 0).detach()
        train(denoiser)
        moved = denoiser.denoise(noisy, sigma, 0).detach()
        denoiser.load_state(kept)
        return {
            "back": _largest(denoiser.denoise(noisy, sigma, 0).detach() - before),
            "moved": _largest(moved - before),
        }


def patched_schedule() -> dict[str, float]:
    import comfy_extras.nodes_model_advanced as nodes

    model = flow_model()
    (shifted,) = nodes.ModelSamplingSD3().patch(model, 7.0)
    with trainable(shifted) as denoiser:
        inside = float(denoiser.sampling.shift)
        train(denoiser, 1)
    sampled(model)
    return {"inside": inside, "outside": float(model.model.model_sampling.shift)}


def another_seed_another_start() -> dict[str, bool]:
    def start(seed: int) -> Tensor:
        with trainable(flow_model(), seed=seed) as denoiser:
            return denoiser.parameters[0].detach().clone()

    one, again, other = start(1), start(1), start(2)
    return {"same": bool(torch.equal(one, again)), "other": bool(torch.equal(one, other))}


def on_top_of_a_lora_around_the_layers() -> dict[str, float]:
    """Newer ComfyUI can load a LoRA around the layers as well."""
    load = getattr(comfy.sd, "load_bypass_lora_for_models", None)
    if load is None:
        return {}
    with trainable(flow_model()) as denoiser:
        train(denoiser)
        below = denoiser.lora_dict()
    model, _ = load(flow_model(), None, below, 1.0, 0)
    before = sampled(model)
    found = _same_picture(model, prompts(), SHAPE, settings())
    return {**found, "before and after": _largest(sampled(model) - before)}


def _same_picture(model: Any, given: Any, shape: tuple[int, ...], lora: Any) -> dict[str, float]:
    """Largest differences of one seed's latent: in training against core's loader, against the base, and of the base."""
    base = sampled(model, given, shape)
    with trainable(model, given, shape, lora=lora) as denoiser:
        losses = train(denoiser, shape=shape)
        in_training = sampled(denoiser.sampling_model, given, shape)
        found = denoiser.lora_dict()
    with tempfile.TemporaryDirectory() as folder:  # as core's Save LoRA writes it, and Load LoRA reads it
        safetensors.torch.save_file(found, Path(folder, "lora.safetensors"))
        read = comfy.utils.load_torch_file(str(Path(folder, "lora.safetensors")), safe_load=True)
    loaded, _ = comfy.sd.load_lora_for_models(model, None, read, 1.0, 0)
    return {
        "loaded": _largest(sampled(loaded, given, shape) - in_training),
        "trained": _largest(in_training - base),
        "base": _largest(sampled(model, given, shape) - base),
        "finite": float(all(loss == loss and abs(loss) < 1e6 for loss in losses)),
    }


def _after(inside: Callable[[Any], None], model: Any = None, **options: Any) -> dict[str, Any]:
    model = model or flow_model()
    before, untouched = sampled(model), left_behind(model)
    raised = ""
    try:
        with trainable(model, **options) as denoiser:
            train(denoiser)
            inside(denoiser)
    except BaseException as error:
        raised = type(error).__name__
    return {**_compared(model, before, untouched), "raised": raised}


def _compared(model: Any, before: Tensor, untouched: dict[str, Any]) -> dict[str, Any]:
    now = left_behind(model)
    changed = [name for name in now if now[name] != untouched[name]]
    other = model.clone()
    return {"changed": changed, "latent": _largest(sampled(other) - before), "forwards": now["forwards"]}


def _raise_inside(error: BaseException) -> Callable[[Any], None]:
    """Raises in the middle of a step: in the last block of the network."""

    def fail(denoiser: Any) -> None:
        block = denoiser.sampling_model.model.diffusion_model.joint_blocks[-1]
        handle = block.register_forward_pre_hook(_raise(error))
        try:
            train(denoiser)
        finally:
            handle.remove()

    return fail


def _raise(error: BaseException) -> Callable[..., None]:
    def fail(*_: Any, **__: Any) -> None:
        raise error

    return fail


def _loss(denoiser: Any) -> float:
    with torch.no_grad():
        clean, sigma, noisy = noisy_batch(denoiser)
        return float((denoiser.denoise(noisy, sigma, 0) - clean).double().square().mean())


def _gradients(denoiser: Any, shape: tuple[int, ...] = SHAPE, weight: float = 1.0) -> list[Tensor]:
    clean, sigma, noisy = noisy_batch(denoiser, shape)
    for parameter in denoiser.parameters:
        parameter.grad = None
    ((denoiser.denoise(noisy, sigma, 0) - clean).square().mean() * weight).backward()
    return [parameter.grad.clone() for parameter in denoiser.parameters]


def _direction(denoiser: Any) -> list[Tensor]:
    random = torch.Generator().manual_seed(5)
    return [torch.randn(each.shape, generator=random) * 0.1 for each in denoiser.parameters]


@torch.no_grad()
def _move(denoiser: Any, by: float) -> None:
    for parameter, direction in zip(denoiser.parameters, _direction(denoiser), strict=True):
        parameter += by * direction


def _difference(one: Tensor, other: Tensor) -> float:
    return _largest(one - other)


def _largest(tensor: Tensor) -> float:
    return float(tensor.abs().max())
