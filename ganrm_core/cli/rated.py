"""The two sets of pictures that a command compares: two folders, or one folder whose ratings tell them apart."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from .output import warn
from .progress_bars import bars

if TYPE_CHECKING:
    from ..data.labelled_files import Source
    from ..data.rated_folder import RatedSplit

_LIKED_FROM, _ORDINARY_TO = 4, 2


def add_liked_and_ordinary(parser: argparse.ArgumentParser, ordinary: str = "ordinary pictures") -> None:
    """`--liked` and `--ordinary`, or `--rated`; read by `liked_and_ordinary`."""
    parser.add_argument("--liked", type=Path, metavar="DIR", help="pictures you like")
    parser.add_argument("--ordinary", type=Path, metavar="DIR", help=ordinary)
    rated = parser.add_argument_group("instead of two folders")
    rated.add_argument(
        "--rated",
        type=Path,
        metavar="DIR",
        help="one folder of pictures with star ratings, in the files or in sidecars",
    )
    rated.add_argument(
        "--liked-from", type=int, metavar="STARS", help=f"liked from so many stars (default {_LIKED_FROM})"
    )
    rated.add_argument(
        "--ordinary-to",
        type=int,
        metavar="STARS",
        help=f"ordinary up to so many stars, and rejected (default {_ORDINARY_TO})",
    )
    rated.add_argument(
        "--unrated-ordinary",
        action="store_true",
        help="pictures without a rating are ordinary, too; else they are left out",
    )


def liked_and_ordinary(options: argparse.Namespace) -> tuple[Source, Source]:
    """The liked and the ordinary set. Raises DataError where the options name none, or contradict each other."""
    from ..utils.errors import DataError

    given = [name for name in ("liked", "ordinary") if getattr(options, name) is not None]
    of_rated = [name for name in ("liked_from", "ordinary_to") if getattr(options, name) is not None]
    of_rated += ["unrated_ordinary"] if options.unrated_ordinary else []
    if options.rated is not None:
        if given:
            raise DataError(f"Give either --rated or --{given[0]}: a rated folder holds both sets.")
        return _split(options)
    if of_rated:
        raise DataError(f"--{of_rated[0].replace('_', '-')} needs --rated DIR, a folder of rated pictures.")
    if len(given) < 2:
        raise DataError(
            "Give --liked DIR and --ordinary DIR, two folders of pictures, or --rated DIR, one folder of rated pictures."
        )
    return options.liked, options.ordinary


def _split(options: argparse.Namespace) -> tuple[Source, Source]:
    from ..data.rated_folder import StarCuts, split_by_rating

    liked_from = _LIKED_FROM if options.liked_from is None else options.liked_from
    ordinary_to = _ORDINARY_TO if options.ordinary_to is None else options.ordinary_to
    cuts = StarCuts(liked_from, ordinary_to, options.unrated_ordinary)
    with bars() as progress:
        split = split_by_rating(options.rated, cuts, recursive=options.recursive, say=warn, progress=progress)
    for line in _remarks(split):
        warn(line)
    return split.liked, split.ordinary


def _remarks(split: RatedSplit) -> list[str]:
    """What an artist should know about a rated folder, one line each."""
    lines = [f"Ratings: {split.rated.counted()}."]
    if split.unrated:
        lines.append(
            f"Left out: {_pictures(split.unrated)} without a rating. --unrated-ordinary takes them as ordinary."
        )
    if split.between:
        lines.append(f"Left out: {_pictures(split.between)} with a rating between liked and ordinary.")
    return [*lines, *split.remarks()]


def _pictures(count: int) -> str:
    return "1 picture" if count == 1 else f"{count} pictures"
