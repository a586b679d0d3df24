"""`HostDenoiser`: a ComfyUI model whose LoRA is being trained."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Any

import comfy.model_patcher
import comfy.sampler_helpers
import comfy.samplers
import torch
from torch import Tensor, nn

from ....ganrm_core.post_training.config import LoraSettings
from ....ganrm_core.post_training.scalings import ModelSampling
from ....ganrm_core.utils.errors import DataError
from .checkpointing import blocks_of, checkpointed_blocks, offloaded_layers
from .forward_wrappers import ForwardWrappers
from .gradient_scale import GradientScale
from .kernels import without_kernels
from .lora_file import LoraDict, lora_dict, lora_layers
from .lora_layers import LoraLayers
from .model_session import ModelSession, without_dynamic_loading
from .overwritten import CANNOT_BE_LEARNED_THROUGH, reads_copied
from .prompt_set import Conditioning, PromptSet
from .quantised import in_full_precision
from .refusals import check_no_concat, check_trainable
from .thaw import thawed

_NEGATIVE = -1
_NOT_DIFFERENTIABLE = ("no autograd formula was registered", "modified by an inplace operation")
_SMALL = 2**28  # bytes of weights; above, a model's inner tensors are worth saving


@contextmanager
def trainable(
    model: Any,
    prompts: PromptSet,
    lora: LoraSettings,
    latent_shape: Sequence[int],
    start: LoraDict | None = None,
    *,
    seed: int = 0,
    checkpointing: bool | None = None,
) -> Iterator[HostDenoiser]:
    """Context with a `HostDenoiser` of `model`; whatever happens in it, the model is afterwards what it was before.

    `latent_shape`: of a batch of latents; so many are made room for. `start`: a LoRA to go on from. `seed`: of the new
    LoRA's first values. `checkpointing`: compute blocks again in the backward pass, which saves most of the memory
    and takes a third more time; by default for all but the smallest models. The context is outside inference mode.
    Raises DataError for what cannot be trained.
    """
    check_trainable(model, prompts, latent_shape)
    with torch.inference_mode(False):
        plain = without_dynamic_loading(model)
        layers, notes = lora_layers(plain, lora, start, seed)
        again = plain.model_size() > _SMALL if checkpointing is None else checkpointing
        session = ModelSession(plain, _wrappers(plain, layers, again), layers.bytes)
        try:
            with _words_for_autograd():
                yield HostDenoiser(session, layers, prompts, latent_shape, notes)
        finally:
            session.close()


class HostDenoiser:
    """`Denoiser` of a ComfyUI model.

    `sampling_model`: a MODEL with the LoRA as it is at the moment, for rollouts and previews while training goes on.
    `notes`: sentences about settings that could not be followed.
    """

    def __init__(
        self,
        session: ModelSession,
        layers: LoraLayers,
        prompts: PromptSet,
        latent_shape: Sequence[int],
        notes: Sequence[str],
    ) -> None:
        self.layers = layers
        self.notes = list(notes)
        self._session = session
        self._prompts = prompts
        self._conds: dict[tuple[int, tuple[int, ...]], Any] = {}
        session.make_ready(latent_shape)

    @property
    def device(self) -> torch.device:
        return self._session.device

    @property
    def sampling_model(self) -> Any:
        return self._session.sampling_model

    @property
    def sampling(self) -> ModelSampling:
        return self._session.patcher.get_model_object("model_sampling")  # type: ignore[no-any-return]

    @property
    def parameters(self) -> Sequence[nn.Parameter]:
        return self.layers.parameters

    def denoise(self, noisy: Tensor, sigma: Tensor, prompt: int) -> Tensor:
        return self._predicted(noisy, sigma, prompt)

    def unconditional(self, noisy: Tensor, sigma: Tensor) -> Tensor:
        return self._predicted(noisy, sigma, _NEGATIVE)

    @torch.no_grad()
    def reference(self, noisy: Tensor, sigma: Tensor, prompt: int | None) -> Tensor:
        with self.layers.disabled():
            return self._predicted(noisy, sigma, _NEGATIVE if prompt is None else prompt)

    def to_model_scale(self, latents: Tensor) -> Tensor:
        """Latents as a sampler node returns them, in the model's own scale and on its device, float32."""
        with torch.no_grad():
            moved = thawed(latents).to(self.device, torch.float32, copy=True)
            return thawed(self._session.model.process_latent_in(moved))  # type: ignore[no-any-return]

    def from_model_scale(self, latents: Tensor) -> Tensor:
        """The other way, float32 on the CPU."""
        with torch.no_grad():
            moved = thawed(latents).to(self.device, torch.float32, copy=True)
            found: Tensor = thawed(self._session.model.process_latent_out(moved))
            return found.to("cpu", torch.float32)

    def lora_dict(self) -> dict[str, Tensor]:
        """The LoRA in core's format, for Save LoRA and Load LoRA."""
        return lora_dict(self.layers)

    def state(self) -> dict[str, Tensor]:
        """Copies of the LoRA's tensors."""
        return self.layers.state()

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        self.layers.load_state(state)

    def _predicted(self, noisy: Tensor, sigma: Tensor, prompt: int) -> Tensor:
        session = self._session
        session.make_ready(noisy.shape)
        noisy, sigma, cond = thawed(noisy), thawed(sigma), self._cond(prompt, noisy)
        options = comfy.model_patcher.create_model_options_clone(session.options)
        scale = GradientScale() if session.halved and torch.is_grad_enabled() else None
        with without_kernels(), self.layers.scaled_by(scale):
            (found,) = comfy.samplers.calc_cond_batch(session.model, [cond], noisy, sigma, options)
        predicted: Tensor = found.float()
        return scale.scaled(predicted) if scale else predicted

    def _cond(self, prompt: int, noisy: Tensor) -> Any:
        key = (prompt, tuple(noisy.shape[1:]))
        if key not in self._conds:
            given = self._prompts.negative if prompt == _NEGATIVE else self._prompts.positive[prompt]
            kind = "negative" if prompt == _NEGATIVE else "positive"  # some models treat the two differently
            self._conds[key] = self._processed(given, kind, noisy[:1])
        return self._conds[key]

    def _processed(self, conditioning: Conditioning, kind: str, noisy: Tensor) -> Any:
        process, noise = comfy.samplers.process_conds, torch.zeros_like(noisy)
        newer = "latent_shapes" in inspect.signature(process).parameters
        more = {"latent_shapes": [noise.shape]} if newer else {}
        with torch.inference_mode(False), torch.no_grad():
            copied = [[thawed(tensor), thawed(dict(options))] for tensor, options in conditioning]
            conds = {kind: comfy.sampler_helpers.convert_cond(copied)}
            conds = process(self._session.model, noise, conds, self.device, noise.clone(), None, 0, **more)
        for each in conds[kind]:
            check_no_concat(each["model_conds"])
        return thawed(conds[kind])


def _wrappers(model: Any, layers: LoraLayers, checkpointing: bool) -> ForwardWrappers:
    network = model.model.diffusion_model
    on_cpu = model.load_device.type == "cpu"

    def again() -> Callable[[], AbstractContextManager[None]]:
        return partial(_surroundings, layers, layers.gradient_scale)

    return ForwardWrappers(
        [
            *in_full_precision(network),
            *([] if on_cpu else offloaded_layers(network)),
            *layers.wrappers(),
            *reads_copied(blocks_of(network)),
            *(checkpointed_blocks(network, again) if checkpointing else []),
        ]
    )


@contextmanager
def _surroundings(layers: LoraLayers, scale: GradientScale | None) -> Iterator[None]:
    """Of a block that is computed again."""
    with without_kernels(), layers.scaled_by(scale):
        yield


@contextmanager
def _words_for_autograd() -> Iterator[None]:
    """Sentences for what PyTorch says about a model that it cannot differentiate."""
    try:
        yield
    except RuntimeError as error:
        if "Inference tensors" in str(error):
            raise DataError(
                "A node has patched this model with tensors that nothing can be learned through. Connect the model as its "
                "loader gives it (LoRAs may stay), and use such nodes afterwards."
            ) from error
        if any(words in str(error) for words in _NOT_DIFFERENTIABLE):
            raise DataError(CANNOT_BE_LEARNED_THROUGH) from error
        raise
