"""One candidate of a Best-of-N run: its seed, noise, random state and progress."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from ....ganrm_core.selection.search_path import SearchPath
from .rng_state import RngState
from .shortcuts import Shortcut


@dataclass(eq=False)
class Candidate:
    """Sampling state of one seed.

    `noise`: the initial noise [1, C, H, W]. `random`: torch's global RNG state after that noise was drawn; some
    samplers and models draw from it. `steps`: completed steps of the schedule, however many calls the sampler makes
    for each; `asked`: answers of the model that the sampler has used, `calls`: those the model was called for; `shortcut`
    gives the others. `clean`: the current prediction of the denoised latent [1, C, H, W], as the
    model sees it. `result`: the final latent, None until it is finished. `origin`: of a fork, the candidate it
    comes from, until its sampling begins; `start`: after how many steps it does. `seen`: the latent and sigma of the
    latest model call, `predicted`: the model's answer to it. `path`: how it is made.
    """

    number: int
    seed: int
    noise: Tensor
    random: RngState
    steps: int = 0
    calls: int = 0
    asked: int = 0
    clean: Tensor | None = None
    result: Tensor | None = None
    origin: Candidate | None = None
    start: int = 0
    seen: tuple[Tensor, float] | None = None
    predicted: Tensor | None = None
    path: SearchPath | None = None
    shortcut: Shortcut | None = None
