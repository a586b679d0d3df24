"""Step cache: skips a denoiser's calls while its answer would hardly change (EasyCache: Zhou et al. 2025, arXiv 2507.02860).

EasyCache predicts how much the output changes from how much the input did: between neighbouring steps their ratio is nearly
constant. While the predicted relative changes since the last call add up to less than a threshold, no call is made. The
published method reuses the network's output minus its input; here the output is the predicted picture, so one cache serves
every kind of model and sampler, guidance included.
"""

from __future__ import annotations

from torch import Tensor

_WARM_UP = 3
_TINY = 1e-12


class StepCache:
    """The state of one sampling. `threshold`: the predicted relative change (0–1) up to which calls are skipped."""

    def __init__(self, threshold: float) -> None:
        self._threshold = threshold
        self._calls = 0
        self._change = 0.0
        self._ratio = 0.0
        self._before: Tensor | None = None
        self._input: Tensor | None = None
        self._output: Tensor | None = None

    def guess(self, x: Tensor) -> Tensor | None:
        """What stands for the answer to `x`; None where the denoiser must be called, whose answer `learn` then takes."""
        before, self._before = self._before, x.clone()
        if self._calls < _WARM_UP or before is None or self._output is None:
            return None
        size = max(float(self._output.abs().mean()), _TINY)
        self._change += self._ratio * float((x - before).abs().mean()) / size
        return self._output.clone() if self._change < self._threshold else None

    def learn(self, x: Tensor, answer: Tensor) -> None:
        """Take the denoiser's answer to `x`, which `guess` had none for."""
        if self._input is not None and self._output is not None:
            moved = float((x - self._input).abs().mean())
            if moved > _TINY:
                self._ratio = float((answer - self._output).abs().mean()) / moved
        self._input, self._output = x.clone(), answer.clone()
        self._calls += 1
        self._change = 0.0
