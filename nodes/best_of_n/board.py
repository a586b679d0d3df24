"""The candidates as the node shows them, on the way and at the end."""

from __future__ import annotations

from dataclasses import dataclass

from PIL import Image
from torch import Tensor

from ...ganrm_core.certainty import SPOILT
from ...ganrm_core.images import to_pil
from ...ganrm_core.numbered_sheet import Numbered, numbered_sheet
from ...ganrm_core.ranked_sheet import score_text
from ...ganrm_core.spoilt import is_spoilt
from ..sheets import spoilt_card, thumbnail, thumbnail_size

_PLACEHOLDER = (214, 214, 218)
_FADED = 0.7


@dataclass
class _Tile:
    picture: Image.Image | None = None
    score: float | None = None
    logit: float = 0.0
    given_up: int | None = None
    """After how many steps."""


class Board:
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

    def judge(self, number: int, logit: float, score: float) -> None:
        tile = self._tiles[number]
        tile.logit, tile.score = logit, score

    def give_up(self, number: int, step: int) -> None:
        self._tiles[number].given_up = step

    def is_judged(self, number: int) -> bool:
        """Whether its picture was decoded: a rough one must not replace it."""
        return self._tiles[number].score is not None

    def live(self) -> Image.Image:
        """As they come; the leaders so far, and those given up, faded."""
        alive = [tile.logit for tile in self._tiles if tile.score is not None and tile.given_up is None]
        best = max((logit for logit in alive if logit != SPOILT), default=None)
        entries = [
            self._numbered(number, tile.given_up is None and tile.score is not None and tile.logit == best)
            for number, tile in enumerate(self._tiles)
        ]
        going = sum(tile.given_up is None for tile in self._tiles)
        return numbered_sheet(entries, title=f"Best of {len(self._tiles)}: {going} going on")

    def final(self, kept: list[int], title: str, hint: str) -> Image.Image:
        """Best first: those kept framed in gold, then the other finished ones, then those given up, last look first."""

        def place(number: int) -> tuple[int, int, float]:
            tile = self._tiles[number]
            order = kept.index(number) if number in kept else len(kept)
            return (order, -(tile.given_up or self._steps), -tile.logit)

        shown = [number for number, tile in enumerate(self._tiles) if tile.score is not None]
        entries = [self._numbered(number, number in kept) for number in sorted(shown, key=place)]
        return numbered_sheet(entries, title=title, hint=hint)

    def _numbered(self, number: int, marked: bool) -> Numbered:
        tile = self._tiles[number]
        picture = tile.picture or Image.new("RGB", self._any_size(), _PLACEHOLDER)
        if tile.given_up is not None:
            picture = Image.blend(picture, Image.new("RGB", picture.size, _PLACEHOLDER), _FADED)
        note = "" if tile.score is None else "spoilt" if tile.logit == SPOILT else score_text(tile.score)
        return Numbered(picture, number + 1, note, marked)

    def _any_size(self) -> tuple[int, int]:
        return next((tile.picture.size for tile in self._tiles if tile.picture), (64, 64))
