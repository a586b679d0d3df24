"""`--write-ratings`: scores as star ratings in sidecars, for programs that show and sort pictures by stars."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .output import warn

if TYPE_CHECKING:
    from ..rewards.base import Reward


def add_write_ratings(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--write-ratings",
        action="store_true",
        help="also write each score as 1 to 5 stars into a new sidecar beside the picture (a.png.xmp), unless the picture "
        "has a rating or a sidecar; the pictures themselves are never changed",
    )


@dataclass
class RatingWriter:
    """Writes sidecars by the thresholds of a model, and counts them."""

    cuts: tuple[float, float, float, float]
    written: int = 0
    left: int = 0

    @classmethod
    def of(cls, model: Reward) -> RatingWriter:
        """Raises DataError for a model without thresholds."""
        from ..rewards.stars import star_cuts
        from ..utils.errors import DataError

        cuts = star_cuts(model.thresholds)
        if cuts is None:
            raise DataError(
                f"{model.name} has no thresholds from 0 to 1, so its scores cannot be told as stars. Leave out "
                "--write-ratings, or use a model made by `ganrm train`."
            )
        return cls(cuts)

    def write(self, path: Path, score: float) -> None:
        from ..data.rating_sidecar import write_sidecar
        from ..rewards.stars import stars_of_score

        stars = stars_of_score(score, self.cuts)
        if stars is not None and write_sidecar(path, stars):
            self.written += 1
        else:
            self.left += 1

    def report(self) -> None:
        line = f"Ratings were written beside {self.written} of {self.written + self.left} pictures."
        warn(f"{line} The others have a rating or a sidecar already." if self.left else line)
