"""A denoiser that asks before every prediction whether the user pressed Cancel."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from ...ganrm_core.post_training.denoiser import Denoiser
from ...ganrm_core.post_training.scalings import ModelSampling
from ..host.progress import check_cancel


class CancellableDenoiser:
    """Follows the `Denoiser` protocol."""

    def __init__(self, denoiser: Denoiser) -> None:
        self._denoiser = denoiser

    @property
    def sampling(self) -> ModelSampling:
        return self._denoiser.sampling

    @property
    def parameters(self) -> Sequence[nn.Parameter]:
        return self._denoiser.parameters

    def denoise(self, noisy: Tensor, sigma: Tensor, prompt: int) -> Tensor:
        check_cancel()
        return self._denoiser.denoise(noisy, sigma, prompt)

    def unconditional(self, noisy: Tensor, sigma: Tensor) -> Tensor:
        check_cancel()
        return self._denoiser.unconditional(noisy, sigma)

    def reference(self, noisy: Tensor, sigma: Tensor, prompt: int | None) -> Tensor:
        check_cancel()
        return self._denoiser.reference(noisy, sigma, prompt)
