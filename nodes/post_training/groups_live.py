"""Live preview of Make Groups: the latest group, the best picture so far, and the time left."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor

from ...ganrm_core.post_training.group_summary import group_scores
from ...ganrm_core.post_training.groups import Group
from ...ganrm_core.reports.numbered_sheet import Numbered, numbered_sheet
from ...ganrm_core.reports.score_format import score_text
from ...ganrm_core.utils.time_left import time_left_words
from ..host.progress import Live

_SIZE = 256
_PLACEHOLDER = (214, 214, 218)


@dataclass
class _Best:
    picture: Image.Image
    logit: float
    score: float
    number: int
    group: int


@dataclass
class GroupsLive:
    """`rough`: decoder of latents inside a sampler to small pictures, None where the model has none."""

    count: int
    pictures: int
    rough: Callable[[Tensor], Tensor] | None
    _number: int = 0
    _prompt: str = ""
    _half_made: dict[int, Tensor] = field(default_factory=dict)
    _group: Group | None = None
    _best: _Best | None = None

    def begin(self, number: int, prompt: str) -> None:
        """A group, counted from 0, is being sampled."""
        self._number, self._prompt, self._group = number, prompt, None
        self._half_made.clear()

    def see(self, position: int, clean: Tensor) -> None:
        """The present denoised prediction of a picture of the group."""
        self._half_made[position] = clean

    def finish(self, number: int, prompt: str, group: Group) -> None:
        self._number, self._prompt, self._group = number, prompt, group
        self._half_made.clear()
        if not (order := group_scores(group).order):
            return
        logit = float(group.logits[order[0]])
        if self._best is None or logit > self._best.logit:
            picture = _as_picture(group.thumbnails[order[0]])
            self._best = _Best(picture, logit, float(group.scores[order[0]]), order[0], number)

    def draw(self, live: Live) -> Image.Image:
        state = live.stopped or time_left_words(live.seconds_left)
        title = " · ".join(filter(None, (f"Group {self._number + 1} of {self.count}", state)))
        tiles = self._finished(self._group) if self._group else self._begun()
        if best := self._best:
            note = f"best so far\ngroup {best.group + 1}"
            tiles.append(Numbered(best.picture, best.number + 1, note, True, score_text(best.score)))
        return numbered_sheet(tiles, title=title, hint=self._prompt)

    def _finished(self, group: Group) -> list[Numbered]:
        entries = []
        for i, thumbnail in enumerate(group.thumbnails):
            spoilt = not math.isfinite(float(group.logits[i]))
            score = "" if spoilt else score_text(float(group.scores[i]))
            entries.append(Numbered(_as_picture(thumbnail), i + 1, "spoilt" if spoilt else "", score=score))
        return entries

    def _begun(self) -> list[Numbered]:
        pictures = {i: self._decoded(clean) for i, clean in self._half_made.items()} if self.rough else {}
        size = next(iter(pictures.values())).size if pictures else (_SIZE, _SIZE)
        empty: Any = Image.new("RGB", size, _PLACEHOLDER)
        return [Numbered(pictures.get(i, empty), i + 1) for i in range(self.pictures)]

    def _decoded(self, clean: Tensor) -> Image.Image:
        assert self.rough
        pixels = (self.rough(clean)[0].nan_to_num(0.0) * 255).byte().numpy()
        picture = Image.fromarray(np.ascontiguousarray(pixels))
        scale = _SIZE / max(picture.size)
        return picture.resize((max(1, round(picture.width * scale)), max(1, round(picture.height * scale))))


def _as_picture(thumbnail: Tensor) -> Image.Image:
    return Image.fromarray(np.ascontiguousarray(thumbnail.numpy()))
