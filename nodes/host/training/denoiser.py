"""`HostDenoiser`: a ComfyUI model whose LoRA is being trained."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import comfy.model_management
import comfy.model_patcher
import comfy.sampler_helpers
import comfy.samplers
import torch
from torch import Tensor, nn

from ....ganrm_core.post_training.config import LoraSettings
from ....ganrm_core.post_training.scalings import ModelSampling
from .layer_choice import chosen_layers
from .lora_file import LoraDict, lora_dict
from .lora_layers import KEY, LoraLayer, LoraLayers, fresh_weights
from .prompt_set import Conditioning, PromptSet
from .thaw import thaw_model, thawed

_NEGATIVE = -1


class HostDenoiser:
    """`Denoiser` of a ComfyUI model.

    `sampling_model`: a MODEL with the LoRA as it is now, for rollouts and previews while training goes on.
    `notes`: sentences on what is not as asked for.
    """

    def __init__(self, model: Any, prompts: PromptSet, layers: LoraLayers, notes: Sequence[str]) -> None:
        self.notes = list(notes)
        self.layers = layers
        self._prompts = prompts
        self._patcher = model.clone()
        self.sampling_model = model.clone()
        for patcher in (self._patcher, self.sampling_model):
            patcher.set_injections(KEY, [layers.injection()])
        self._options: dict[str, Any] | None = None
        self._conds: dict[tuple[int, tuple[int, ...]], Any] = {}

    @property
    def device(self) -> torch.device:
        return self._patcher.load_device  # type: ignore[no-any-return]

    @property
    def sampling(self) -> ModelSampling:
        return self._patcher.get_model_object("model_sampling")  # type: ignore[no-any-return]

    @property
    def parameters(self) -> Sequence[nn.Parameter]:
        return self.layers.parameters()

    def denoise(self, noisy: Tensor, sigma: Tensor, prompt: int) -> Tensor:
        return self._predicted(noisy, sigma, prompt)

    def unconditional(self, noisy: Tensor, sigma: Tensor) -> Tensor:
        return self._predicted(noisy, sigma, _NEGATIVE)

    @torch.no_grad()
    def reference(self, noisy: Tensor, sigma: Tensor, prompt: int) -> Tensor:
        with self.layers.disabled():
            return self._predicted(noisy, sigma, prompt)

    def to_model_scale(self, latents: Tensor) -> Tensor:
        """Latents as a sampler node returns them, in the model's own scale and on its device, float32."""
        moved = thawed(latents).to(self.device, torch.float32)
        return thawed(self._patcher.model.process_latent_in(moved))  # type: ignore[no-any-return]

    def lora_dict(self) -> dict[str, Tensor]:
        """The LoRA in core's format, for Save LoRA and Load LoRA."""
        return lora_dict(self.layers)

    def state(self) -> dict[str, Tensor]:
        """Copies of the LoRA's tensors."""
        return self.layers.state()

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        self.layers.load_state(state)

    def close(self) -> None:
        """Take everything out of the model."""
        for patcher in (self._patcher, self.sampling_model):
            patcher.eject_model()
            patcher.remove_injections(KEY)
        self.layers.eject()
        model = self._patcher.model
        if model.current_patcher in (self._patcher, self.sampling_model):
            model.current_patcher = None

    def _predicted(self, noisy: Tensor, sigma: Tensor, prompt: int) -> Tensor:
        self._make_ready(noisy)
        model = self._patcher.model
        noisy, sigma = thawed(noisy), thawed(sigma)
        cond = self._cond(prompt, noisy)
        options = comfy.model_patcher.create_model_options_clone(self._options)
        (predicted,) = comfy.samplers.calc_cond_batch(model, [cond], noisy, sigma, options)
        return predicted.float()  # type: ignore[no-any-return]

    def _make_ready(self, noisy: Tensor) -> None:
        """Load the model, unless nobody else has used or moved it since the last prediction."""
        patcher = self._patcher
        loaded = any(each.model is patcher for each in comfy.model_management.current_loaded_models)
        if loaded and patcher.is_injected and patcher.model.current_patcher is patcher:
            return
        with torch.inference_mode(False):
            comfy.model_management.load_models_gpu([patcher])
            patcher.inject_model()
            patcher.pre_run()
            thaw_model(patcher.model, self.device)
        if self._options is None:
            self._options = self._model_options()

    def _model_options(self) -> dict[str, Any]:
        import comfy.ldm.modules.attention as attention

        options = comfy.model_patcher.create_model_options_clone(self._patcher.model_options)
        comfy.sampler_helpers.prepare_model_patcher(self._patcher, {}, options)
        options["transformer_options"]["optimized_attention_override"] = lambda _function, *args, **kwargs: (
            attention.attention_pytorch(*args, **kwargs)
        )
        return options  # type: ignore[no-any-return]

    def _cond(self, prompt: int, noisy: Tensor) -> Any:
        key = (prompt, tuple(noisy.shape[1:]))
        if key not in self._conds:
            given = self._prompts.negative if prompt == _NEGATIVE else self._prompts.positive[prompt]
            self._conds[key] = self._processed(given, noisy[:1])
        return self._conds[key]

    def _processed(self, conditioning: Conditioning, noisy: Tensor) -> Any:
        process, shape = comfy.samplers.process_conds, noisy.shape
        more = {"latent_shapes": [shape]} if "latent_shapes" in inspect.signature(process).parameters else {}
        with torch.inference_mode(False), torch.no_grad():
            copied = [[thawed(tensor), thawed(dict(options))] for tensor, options in conditioning]
            conds = {"positive": comfy.sampler_helpers.convert_cond(copied)}
            noise = torch.zeros_like(noisy)
            processed = process(
                self._patcher.model, noise, conds, self.device, noise.clone(), None, 0, **more
            )
        return thawed(processed["positive"])


@contextmanager
def trainable(
    model: Any,
    prompts: PromptSet,
    lora: LoraSettings,
    latent_shape: Sequence[int],
    start: LoraDict | None = None,
    seed: int = 0,
) -> Iterator[HostDenoiser]:
    """Context with a `HostDenoiser` of `model`; whatever happens in it, the model is afterwards what it was before.

    `latent_shape`: of one batch. `start`: a LoRA to go on from. The context is outside inference mode.
    """
    with torch.inference_mode(False):
        chosen, notes = chosen_layers(model.model.diffusion_model, lora.layers)
        generator = torch.Generator().manual_seed(seed)
        layers = LoraLayers(
            {
                name: LoraLayer(
                    name, module, fresh_weights(module, lora.rank, lora.alpha, generator), model.load_device
                )
                for name, module in chosen.items()
            }
        )
        denoiser = HostDenoiser(model, prompts, layers, notes)
        try:
            yield denoiser
        finally:
            denoiser.close()
