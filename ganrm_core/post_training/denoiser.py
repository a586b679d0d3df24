"""The `Denoiser` protocol: a generator whose LoRA is being trained, as the training loop sees it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from torch import Tensor, nn

from .scalings import ModelSampling


class Denoiser(Protocol):
    """Prompts are numbered as in the `Groups` trained on; latents are in the model's own scale, on the model's device."""

    @property
    def sampling(self) -> ModelSampling:
        """Maps between noisy latents, network output and denoised prediction."""

    @property
    def parameters(self) -> Sequence[nn.Parameter]:
        """The LoRA's trainable tensors, float32."""

    def denoise(self, noisy: Tensor, sigma: Tensor, prompt: int) -> Tensor:
        """Conditional denoised prediction [B, …], float32, with the LoRA, with gradients to `parameters`.

        `sigma` [B]. The whole batch has one prompt.
        """

    def unconditional(self, noisy: Tensor, sigma: Tensor) -> Tensor:
        """Denoised prediction for the negative prompt, with the LoRA, with gradients."""

    def reference(self, noisy: Tensor, sigma: Tensor, prompt: int | None) -> Tensor:
        """Denoised prediction without the LoRA, without gradients; of the negative prompt for None."""
