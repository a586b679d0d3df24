"""Liked and ordinary pictures out of one folder, by their star ratings."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..utils.errors import DataError
from ..utils.files import shown
from ..utils.progress import ProgressCallback, no_progress
from .image_folder import find_images
from .labelled_files import PictureSet
from .ratings import RatedFiles, fits, none_fits, read_ratings
from .xmp_rating import MOST_STARS, UNRATED


@dataclass(frozen=True)
class StarCuts:
    """Liked from so many stars, ordinary up to so many and rejected; `unrated_ordinary`: without a rating, too."""

    liked_from: int = 4
    ordinary_to: int = 2
    unrated_ordinary: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.ordinary_to < self.liked_from <= MOST_STARS:
            raise DataError(
                f"Liked from {self.liked_from} and ordinary to {self.ordinary_to} stars: no picture may be both. Use 1 to "
                f"{MOST_STARS} for the one, and less, 0 or more, for the other (0: only rejected ones are ordinary)."
            )

    def liked(self, stars: int) -> bool:
        return fits(f"at least {self.liked_from}", stars)

    def ordinary(self, stars: int) -> bool:
        return self.unrated_ordinary if stars == UNRATED else stars <= self.ordinary_to


@dataclass(frozen=True)
class RatedSplit:
    """Two sets without a common file; `between` and `unrated` count the pictures in neither."""

    liked: PictureSet
    ordinary: PictureSet
    rated: RatedFiles
    between: int
    unrated: int

    def remarks(self) -> list[str]:
        """Sentences about ratings that should not teach a taste, and about files whose rating cannot be read."""
        by_model = self.rated.given_by_model([*self.liked.paths, *self.ordinary.paths])
        return [line for line in (by_model, self.rated.refusals()) if line]


def split_by_rating(
    folder: str | os.PathLike[str],
    cuts: StarCuts,
    *,
    recursive: bool = False,
    say: Callable[[str], None] | None = None,
    progress: ProgressCallback = no_progress,
) -> RatedSplit:
    """Split a rated folder; see `ratings.read_rating` for what counts, and `find_images` for `recursive` and `say`.

    Raises DataError for a folder without pictures, and where no picture is liked or none is ordinary.
    """
    rated = read_ratings(find_images(folder, recursive=recursive, say=say), progress)
    place = os.fspath(folder)
    liked = tuple(path for path, stars in rated.stars.items() if cuts.liked(stars))
    ordinary = tuple(path for path, stars in rated.stars.items() if cuts.ordinary(stars))
    few = f"at most {cuts.ordinary_to}" if cuts.ordinary_to else "rejected"
    for paths, choice in ((liked, f"at least {cuts.liked_from}"), (ordinary, few)):
        if not paths:
            raise none_fits(shown(Path(place)), choice, rated)
    unrated = 0 if cuts.unrated_ordinary else len(rated.fitting("unrated"))
    rest = " or unrated" if cuts.unrated_ordinary else ""
    return RatedSplit(
        PictureSet(liked, f"{place}, at least {cuts.liked_from}"),
        PictureSet(ordinary, f"{place}, {few}{rest}"),
        rated,
        len(rated.stars) - len(liked) - len(ordinary) - unrated,
        unrated,
    )
