"""Previews of a LoRA in training: the same prompts and seeds before, while it trains, and at its end."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice, zip_longest
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from ...ganrm_core.data.image_io import to_pil
from ...ganrm_core.post_training.groups import Groups
from ...ganrm_core.reports.canvas import enlarged
from ...ganrm_core.utils.progress import Progress, ProgressCallback, part_of
from ..display.ranked_sheets import thumbnail
from ..host.sampling.decoding import Decode, preview_decoder, rough_decoder
from ..host.training.prompt_set import PromptedGroups
from ..host.training.rollouts import Rollouts, check_vae, decoded

PICTURES = 4
_SIZE = 512
_SHARE_OF_TIME = 0.1


def previewed(groups: Groups) -> list[tuple[int, int]]:
    """Prompt and seed of the first sample of the first groups, then of their second samples, and so on."""
    columns = zip_longest(*([(group.prompt, seed) for seed in group.seeds] for group in groups.groups))
    return list(islice((each for column in columns for each in column if each is not None), PICTURES))


class Previewer:
    """Samples and decodes the previews.

    Without a VAE core's small preview decoder is used, without that its linear one; without both there are none.
    """

    def __init__(self, model: Any, groups: PromptedGroups, vae: Any | None) -> None:
        self._groups = groups
        self._which = previewed(groups.groups)
        self._empty = torch.zeros_like(groups.groups.groups[0].latents[:1], dtype=torch.float32)
        if vae is not None:
            check_vae(vae, self._empty)
        self._decode = _decoder(model, vae)

    @property
    def possible(self) -> bool:
        return self._decode is not None

    @property
    def calls(self) -> int:
        """Evaluations of the model for one preview."""
        sampling = self._groups.groups.sampling
        return len(self._which) * sampling.steps * (1 if sampling.cfg == 1.0 else 2)

    def sample(self, model: Any, stage: str, progress: ProgressCallback) -> Tensor:
        """Latents [N, C, …] as a sampler node returns them, from `model`. `progress` may raise to cancel."""
        rollouts = Rollouts(
            model, self._groups.prompts, self._groups.groups.sampling, {"samples": self._empty.clone()}
        )
        found = []
        with (
            torch.no_grad()
        ):  # not in inference mode: what is loaded there cannot be trained through afterwards
            for place, (prompt, seed) in enumerate(self._which):
                part = part_of(progress, place, len(self._which))
                found.append(rollouts.sample(prompt, [seed], _named(part, stage)))
        return torch.cat(found)

    def pictures(self, latents: Tensor) -> list[Image.Image]:
        if self._decode is None:
            return []
        with torch.no_grad():
            return [enlarged(to_pil(thumbnail(picture, _SIZE)), _SIZE) for picture in self._decode(latents)]


def _named(progress: ProgressCallback, stage: str) -> ProgressCallback:
    return lambda step: progress(Progress(stage, step.done, step.total))


def _decoder(model: Any, vae: Any | None) -> Decode | None:
    if vae is not None:
        return lambda latents: decoded(vae, latents)
    inside = preview_decoder(model.model, model.load_device) or rough_decoder(model.model)
    if inside is None:
        return None
    return lambda latents: inside(model.model.process_latent_in(latents.clone()))


@dataclass
class Budget:
    """Keeps what previews take to a share of the time since it was made."""

    share: float = _SHARE_OF_TIME
    clock: Callable[[], float] = time.monotonic
    _spent: float = 0.0
    _last: float = 0.0
    _start: float = field(init=False)

    def __post_init__(self) -> None:
        self._start = self.clock()

    @property
    def is_due(self) -> bool:
        """Whether another one that takes as long as the last is within the share."""
        return self._spent + self._last <= self.share * (self.clock() - self._start)

    @contextmanager
    def timed(self, *, counts: bool = True) -> Iterator[None]:
        """Context of one preview. `counts`: whether it is part of the share."""
        start = self.clock()
        yield
        self._last = self.clock() - start
        self._spent += self._last if counts else 0.0
