"""Contact sheet of candidates while they are sampled, and at the end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from PIL import Image
from torch import Tensor

from ...ganrm_core.data.image_io import to_pil
from ...ganrm_core.reports.numbered_sheet import Numbered, numbered_sheet
from ...ganrm_core.reports.score_format import score_text
from ...ganrm_core.selection.non_finite import INVALID_LOGIT, has_non_finite
from ...ganrm_core.utils.time_left import time_left_words
from ..display.ranked_sheets import invalid_card, thumbnail, thumbnail_size
from ..host.progress import Live

_PLACEHOLDER = (214, 214, 218)
_FADED = 0.7
_WIDE_TILES = 25  # up to so many tiles there is room for whole captions
_LEGEND = "Gold: kept, with the score of the finished picture."
_LEGEND_FADED = (
    "Faded: given up half-made, after the step named, as it looked then. A half-made picture's score does not compare, "
    "so none is shown."
)
_LEGEND_DRAFTS = (
    "Drafts are faded where not made in full. A draft's score does not compare, so none is shown."
)
_LIVE_DRAFTS = "Scores are of drafts; the best are made in full."

Stage = int | Literal["draft"] | None
"""When a picture was scored: after so many steps, as a draft, or finished."""


@dataclass
class _Tile:
    picture: Image.Image | None = None
    score: float | None = None
    logit: float = 0.0
    scored_at: Stage = None
    dropped_at: Stage = None


class LiveSheet:
    """One tile per candidate, with its latest picture and score."""

    def __init__(self, count: int, steps: int) -> None:
        self._tiles = [_Tile() for _ in range(count)]
        self._steps = steps
        self._size = thumbnail_size(count)

    def add(self) -> None:
        """A tile for one more candidate, a fork."""
        self._tiles.append(_Tile())

    def show(self, number: int, picture: Tensor) -> None:
        """Show `picture` [H, W, 3] in 0–1 on the tile of candidate `number`, counted from 0."""
        tile = self._tiles[number]
        if has_non_finite(picture):
            tile.picture = invalid_card(picture, self._size)
        else:
            tile.picture = to_pil(thumbnail(picture, self._size))

    def set_score(self, number: int, logit: float, score: float, stage: Stage) -> None:
        """Scores of different stages do not compare."""
        tile = self._tiles[number]
        tile.logit, tile.score, tile.scored_at = logit, score, stage

    def drop(self, number: int, stage: Stage) -> None:
        self._tiles[number].dropped_at = stage

    def is_scored(self, number: int) -> bool:
        """Whether its picture was decoded for scoring; a rough preview must not replace that."""
        return self._tiles[number].score is not None

    def live(self, live: Live) -> Image.Image:
        """Tiles by number; the best so far framed in gold, those dropped faded."""
        alive = [tile.logit for tile in self._tiles if tile.score is not None and tile.dropped_at is None]
        best = max((logit for logit in alive if logit != INVALID_LOGIT), default=None)
        entries = [
            self._numbered(number, tile.dropped_at is None and tile.score is not None and tile.logit == best)
            for number, tile in enumerate(self._tiles)
        ]
        going = sum(tile.dropped_at is None for tile in self._tiles)
        state = live.stopped or " · ".join(
            filter(None, (f"{going} going on", time_left_words(live.seconds_left)))
        )
        stages = {tile.scored_at for tile in self._tiles if tile.dropped_at is None}
        legend = _LIVE_DRAFTS if "draft" in stages else ""
        if any(isinstance(stage, int) for stage in stages):
            legend = "Scores are of half-made pictures, after so many steps."
        return numbered_sheet(entries, title=f"Best of {len(self._tiles)}: {state}", legend=legend)

    def final(self, kept: list[int], title: str, hint: str) -> Image.Image:
        """The kept framed in gold, best first; then the other finished ones; then those dropped, latest first."""

        def place(number: int) -> tuple[int, bool, int, float]:
            tile = self._tiles[number]
            order = kept.index(number) if number in kept else len(kept)
            after = tile.dropped_at if isinstance(tile.dropped_at, int) else self._steps
            return (order, tile.dropped_at is not None, -after, -tile.logit)

        shown = [number for number, tile in enumerate(self._tiles) if tile.score is not None]
        entries = [self._numbered(number, number in kept) for number in sorted(shown, key=place)]
        dropped = {tile.dropped_at for tile in self._tiles}
        legend = _LEGEND + (f" {_LEGEND_DRAFTS}" if "draft" in dropped else "")
        if any(isinstance(stage, int) for stage in dropped):
            legend += f" {_LEGEND_FADED}"
        return numbered_sheet(entries, title=title, hint=hint, legend=legend)

    def _numbered(self, number: int, marked: bool) -> Numbered:
        tile = self._tiles[number]
        picture = tile.picture or Image.new("RGB", self._any_size(), _PLACEHOLDER)
        if tile.dropped_at is not None:
            picture = Image.blend(picture, Image.new("RGB", picture.size, _PLACEHOLDER), _FADED)
        return Numbered(picture, number + 1, _note(tile, len(self._tiles)), marked, _score(tile))

    def _any_size(self) -> tuple[int, int]:
        return next((tile.picture.size for tile in self._tiles if tile.picture), (64, 64))


def _note(tile: _Tile, count: int) -> str:
    if "draft" in (tile.dropped_at, tile.scored_at) and tile.logit != INVALID_LOGIT:
        return "draft"
    if isinstance(tile.dropped_at, int):
        return f"given up\n{'after ' if count <= _WIDE_TILES else ''}step {tile.dropped_at}"
    if tile.score is not None and tile.logit == INVALID_LOGIT:
        return "spoilt"
    return "" if tile.scored_at is None else f"at step {tile.scored_at}"


def _score(tile: _Tile) -> str:
    """ "" for a dropped candidate: scores of different steps do not compare."""
    if tile.score is None or tile.logit == INVALID_LOGIT or tile.dropped_at is not None:
        return ""
    return score_text(tile.score)
