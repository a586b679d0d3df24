"""What the audit says, in sentences for the person who chose the pictures."""

from __future__ import annotations

from collections.abc import Sequence

from ...metrics.binary import Interval
from ..forensics.file_stats import FileFacts
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
    name: str, liked: Sequence[FileFacts], ordinary: Sequence[FileFacts], auc: Interval, separates: bool
) -> tuple[str, str, str]:
    """(the sentence, the liked pictures in a few words, the ordinary ones in a few words)."""
    words = describe(name, liked, ordinary)
    if not separates:
        return quiet(name, f"AUC {auc.value:.2f}"), *words
    sentence = _TEMPLATES[name].format(liked=words[0], ordinary=words[1], auc=f" (AUC {auc.value:.2f})")
    return sentence, *words


def content_sentence(
    name: str, liked: Sequence[FileFacts], ordinary: Sequence[FileFacts], auc: Interval
) -> tuple[str, str, str]:
    """As `sentences`, of a family that follows from what the pictures show."""
    words = describe(name, liked, ordinary)
    return (
        f"The liked ones take {words[0]}, the ordinary ones {words[1]} (AUC {auc.value:.2f}). Both folders are "
        "lossless, so this is what they show: flat pictures take fewer bytes than busy ones. Nothing gives away "
        "how they were made.",
        *words,
    )


def quiet(name: str, figure: str) -> str:
    """What is said of a family that gives nothing away."""
    return f"Nothing in the {name} gives away which folder a picture is from ({figure})."


def near_duplicate_sentence(share: float, pair: tuple[str, str] | None, separates: bool) -> str:
    """`pair`: the names of a liked picture and of its near-copy among the ordinary ones."""
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
