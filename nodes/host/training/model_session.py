"""A ComfyUI model in use for training: loaded, wrapped and fit for gradients, whoever else uses it in between."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import comfy.model_management
import comfy.model_patcher
import comfy.sampler_helpers
import comfy.samplers
import torch

from ....ganrm_core.utils.errors import DataError
from .attention_choice import PytorchAttention, pytorch_attention
from .forward_wrappers import ForwardWrappers
from .thaw import NoWeightGradients, thaw_model

_KEY = "gan_rm_training"
# Of the memory that ComfyUI plans for sampling: what the blocks' inputs and one block's inner tensors take beside it.
_TRAINING_OVER_SAMPLING = 4.0
_COPIES_OF_LORA = 5  # itself, its gradient, Adam's two moments, and the last good step


class ModelSession:
    """`patcher`: the clone that is trained with. `sampling_model`: another with the same wrappers, for samplers."""

    def __init__(self, model: Any, wrappers: ForwardWrappers, lora_bytes: int) -> None:
        self.patcher = model.clone()
        self.sampling_model = model.clone()
        self._wrappers = wrappers
        self._lora_bytes = lora_bytes
        for each in (self.patcher, self.sampling_model):
            each.set_injections(_KEY, [wrappers.injection()])
        self._gradients = NoWeightGradients()
        self._attention = PytorchAttention()
        self._batch = 0
        self.options: dict[str, Any] = {}

    @property
    def model(self) -> Any:
        return self.patcher.model

    @property
    def device(self) -> torch.device:
        return self.patcher.load_device  # type: ignore[no-any-return]

    @property
    def halved(self) -> bool:
        """Whether the network computes in float16."""
        return bool((self.model.manual_cast_dtype or self.model.get_dtype()) == torch.float16)

    def make_ready(self, shape: Sequence[int]) -> None:
        """Load the model for latents of `shape`, unless it still is as the last call left it."""
        loaded = any(each.model is self.patcher for each in comfy.model_management.current_loaded_models)
        untouched = loaded and self.patcher.is_injected and self.model.current_patcher is self.patcher
        if untouched and shape[0] <= self._batch:
            return
        self._batch = max(self._batch, shape[0])
        with torch.inference_mode(False):
            least = comfy.sampler_helpers.estimate_memory(self.patcher, [self._batch, *shape[1:]], {})[1]
            comfy.model_management.load_models_gpu(
                [self.patcher, *self.patcher.get_nested_additional_models()],
                memory_required=least * _TRAINING_OVER_SAMPLING + self._lora_bytes * _COPIES_OF_LORA,
            )
            self.patcher.pre_run()
            thaw_model(self.model, self.device)
            self._gradients.switch_off(self.model)
            self._attention.switch_on()
            if not self.options:
                self.options = self._model_options()

    def close(self) -> None:
        """Leave the model as it was."""
        try:
            if self.options:
                comfy.samplers.cast_to_load_options(self.options, device=self.patcher.offload_device)
            for each in (self.patcher, self.sampling_model):
                each.eject_model()
                each.remove_injections(_KEY)
                if self.model.current_patcher is each:
                    each.cleanup()
        finally:
            self._wrappers.eject()
            self._gradients.restore()
            self._attention.restore()

    def _model_options(self) -> dict[str, Any]:
        options: dict[str, Any] = comfy.model_patcher.create_model_options_clone(self.patcher.model_options)
        # As CFGGuider does before it samples.
        comfy.sampler_helpers.prepare_model_patcher(self.patcher, {}, options)
        comfy.samplers.cast_to_load_options(options, device=self.device, dtype=self.patcher.model_dtype())
        options["transformer_options"]["optimized_attention_override"] = pytorch_attention
        return options


def without_dynamic_loading(model: Any) -> Any:
    """`model`, or a copy of it which ComfyUI loads in the classic way (newer ComfyUI streams weights as they are used).

    Streamed weights share memory with each other, so that a backward pass would read another layer's. Raises DataError
    where the model's loader offers no such copy.
    """
    if not getattr(model, "is_dynamic", bool)():
        return model
    try:
        with torch.inference_mode(False):
            return model.clone(disable_dynamic=True)
    except RuntimeError as error:
        raise DataError(
            "ComfyUI streams this model's weights onto the graphics card, and its loader node cannot do otherwise. "
            "Load it with a loader of ComfyUI's own, or start ComfyUI with --disable-dynamic-vram."
        ) from error
