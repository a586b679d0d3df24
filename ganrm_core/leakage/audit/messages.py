"""Sentences of the audit's findings."""

from __future__ import annotations

from collections.abc import Sequence

from ...metrics.binary import Interval
from ..forensics.file_stats import FileStats
from . import nuisances
from .descriptions import describe

_APART = "Your two folders can be told apart without looking at the pictures: "
_MAY_BE_TASTE = "This may be the very taste you mean, or only how the files were made: the pictures alone cannot say which."

_TEMPLATES = {
    nuisances.COMPRESSION: _APART + "the liked ones are {liked}, the ordinary ones {ordinary}{auc}.",
    nuisances.FILE_SIZE: _APART
    + "the liked ones take {liked}, the ordinary ones {ordinary}{auc}. Busy pictures take more bytes "
    "than plain ones, so part of it may be what they show.",
    nuisances.SIZE: _APART + "the liked ones are {liked}, the ordinary ones {ordinary}{auc}.",
    nuisances.SHARPNESS: "Your two folders can be told apart by their sharpness alone: the liked ones have "
    "{liked}, the ordinary ones {ordinary}{auc}. " + _MAY_BE_TASTE,
    nuisances.COLOUR_TAGS: _APART
    + "the liked ones carry {liked}, the ordinary ones {ordinary}{auc}. The model never sees such tags, "
    "since every picture is converted to sRGB first, but they show that the folders were made differently.",
    nuisances.OVERALL_COLOUR: "Your two folders can be told apart by their overall colour alone: the liked "
    "ones are {liked}, the ordinary ones {ordinary}{auc}. " + _MAY_BE_TASTE,
    nuisances.PIXEL_FORMAT: _APART + "the liked ones are {liked}, the ordinary ones {ordinary}{auc}.",
    nuisances.BORDERS: "Your two folders can be told apart by their borders alone: the liked ones have "
    "{liked}, the ordinary ones {ordinary}{auc}.",
}


def sentences(
    name: str, liked: Sequence[FileStats], ordinary: Sequence[FileStats], auc: Interval, separates: bool
) -> tuple[str, str, str]:
    """(sentence, phrase for the liked pictures, phrase for the ordinary ones) of a nuisance family."""
    phrases = describe(name, liked, ordinary)
    if not separates:
        return no_leak_sentence(name, f"AUC {auc.value:.2f}"), *phrases
    sentence = _TEMPLATES[name].format(liked=phrases[0], ordinary=phrases[1], auc=f" (AUC {auc.value:.2f})")
    return sentence, *phrases


def content_sentence(
    name: str, liked: Sequence[FileStats], ordinary: Sequence[FileStats], auc: Interval
) -> tuple[str, str, str]:
    """As `sentences`, for a family that follows from what the pictures show."""
    phrases = describe(name, liked, ordinary)
    return (
        f"The liked ones take {phrases[0]}, the ordinary ones {phrases[1]} (AUC {auc.value:.2f}). Both folders are "
        "lossless, so this is what they show: flat pictures take fewer bytes than busy ones. Nothing gives away "
        "how they were made.",
        *phrases,
    )


def no_leak_sentence(name: str, metric: str) -> str:
    """The sentence for a family that does not separate the folders; `metric` such as "AUC 0.53"."""
    return f"Nothing in the {name} gives away which folder a picture is from ({metric})."


def near_duplicate_sentence(share: float, pair: tuple[str, str] | None, separates: bool) -> str:
    """The sentence on near-duplicates across the folders; `pair`: file names of an example, liked and ordinary."""
    example = f", such as {pair[0]} (liked) and {pair[1]} (ordinary)" if pair else ""
    if not share:
        return "No picture has a near-copy in the other folder."
    found = f"{share:.0%} of the pictures have a near-copy in the other folder{example}"
    if not separates:
        return f"{found}, no more than chance would put there."
    return (
        f"{found}. The same picture is then called both liked and ordinary, and all that is left to learn "
        "is how the copies differ. Keep one of each, unless that difference is your taste."
    )
