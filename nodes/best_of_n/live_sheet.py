"""The candidates as the node shows them, on the way and at the end."""

from __future__ import annotations

from dataclasses import dataclass

from PIL import Image
from torch import Tensor

from ...ganrm_core.data.image_io import to_pil
from ...ganrm_core.reports.numbered_sheet import Numbered, numbered_sheet
from ...ganrm_core.reports.score_format import score_text
from ...ganrm_core.selection.close_calls import SPOILT
from ...ganrm_core.selection.non_finite import is_spoilt
from ...ganrm_core.utils.time_left import time_left_words
from ..display.ranked_sheets import spoilt_card, thumbnail, thumbnail_size
from ..host.progress import Live

_PLACEHOLDER = (214, 214, 218)
_FADED = 0.7
_WIDE_TILES = 25  # up to so many there is room for every word under each
_LEGEND = "Gold: kept, with the score of the finished picture."
_LEGEND_FADED = (
    "Faded: given up half-made, after the step named, as it looked then. A half-made picture's score does not compare, "
    "so none is shown."
)


@dataclass
class _Tile:
    picture: Image.Image | None = None
    score: float | None = None
    logit: float = 0.0
    judged_at: int | None = None
    """After how many steps it had that score; None for a finished picture."""
    given_up: int | None = None
    """After how many steps."""


class LiveSheet:
    """Every candidate in its place, with its last picture and score."""

    def __init__(self, count: int, steps: int) -> None:
        self._tiles = [_Tile() for _ in range(count)]
        self._steps = steps
        self._size = thumbnail_size(count)

    def show(self, number: int, picture: Tensor) -> None:
        """`picture` [H, W, 3] in 0–1: how candidate `number` (from 0) looks by now."""
        tile = self._tiles[number]
        if is_spoilt(picture):
            tile.picture = spoilt_card(picture, self._size)
        else:
            tile.picture = to_pil(thumbnail(picture, self._size))

    def judge(self, number: int, logit: float, score: float, step: int | None) -> None:
        """`step`: after how many steps, None for a finished picture. Scores of different steps do not compare."""
        tile = self._tiles[number]
        tile.logit, tile.score, tile.judged_at = logit, score, step

    def give_up(self, number: int, step: int) -> None:
        self._tiles[number].given_up = step

    def is_judged(self, number: int) -> bool:
        """Whether its picture was decoded: a rough one must not replace it."""
        return self._tiles[number].score is not None

    def live(self, live: Live) -> Image.Image:
        """As they come; the leaders so far, and those given up, faded."""
        alive = [tile.logit for tile in self._tiles if tile.score is not None and tile.given_up is None]
        best = max((logit for logit in alive if logit != SPOILT), default=None)
        entries = [
            self._numbered(number, tile.given_up is None and tile.score is not None and tile.logit == best)
            for number, tile in enumerate(self._tiles)
        ]
        going = sum(tile.given_up is None for tile in self._tiles)
        state = live.stopped or " · ".join(
            filter(None, (f"{going} going on", time_left_words(live.seconds_left)))
        )
        half_made = any(tile.judged_at is not None and tile.given_up is None for tile in self._tiles)
        legend = "Scores are of half-made pictures, after so many steps." if half_made else ""
        return numbered_sheet(entries, title=f"Best of {len(self._tiles)}: {state}", legend=legend)

    def final(self, kept: list[int], title: str, hint: str) -> Image.Image:
        """Best first: those kept framed in gold, then the other finished ones, then those given up, last look first."""

        def place(number: int) -> tuple[int, int, float]:
            tile = self._tiles[number]
            order = kept.index(number) if number in kept else len(kept)
            return (order, -(tile.given_up or self._steps), -tile.logit)

        shown = [number for number, tile in enumerate(self._tiles) if tile.score is not None]
        entries = [self._numbered(number, number in kept) for number in sorted(shown, key=place)]
        dropped = any(tile.given_up is not None for tile in self._tiles)
        legend = _LEGEND + (f" {_LEGEND_FADED}" if dropped else "")
        return numbered_sheet(entries, title=title, hint=hint, legend=legend)

    def _numbered(self, number: int, marked: bool) -> Numbered:
        tile = self._tiles[number]
        picture = tile.picture or Image.new("RGB", self._any_size(), _PLACEHOLDER)
        if tile.given_up is not None:
            picture = Image.blend(picture, Image.new("RGB", picture.size, _PLACEHOLDER), _FADED)
        return Numbered(picture, number + 1, _note(tile, len(self._tiles)), marked, _score(tile))

    def _any_size(self) -> tuple[int, int]:
        return next((tile.picture.size for tile in self._tiles if tile.picture), (64, 64))


def _note(tile: _Tile, count: int) -> str:
    if tile.given_up is not None:
        return f"given up\n{'after ' if count <= _WIDE_TILES else ''}step {tile.given_up}"
    if tile.score is not None and tile.logit == SPOILT:
        return "spoilt"
    return "" if tile.judged_at is None else f"at step {tile.judged_at}"


def _score(tile: _Tile) -> str:
    """Of those still in it: scores of different steps never stand side by side without their steps."""
    if tile.score is None or tile.logit == SPOILT or tile.given_up is not None:
        return ""
    return score_text(tile.score)
