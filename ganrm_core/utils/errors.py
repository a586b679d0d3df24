"""Exceptions with messages for the user: what is wrong, with which file, and what to do next."""

from __future__ import annotations

from typing import Any

from .logs import own_name


class GanRMError(Exception):
    """Base class of every error this library raises on purpose."""

    # Tracebacks show the short module name.
    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        cls.__module__ = own_name(cls.__module__)


GanRMError.__module__ = own_name(GanRMError.__module__)


class ImageError(GanRMError):
    """A picture, or an image tensor, cannot be used."""


class DataError(GanRMError):
    """A set of pictures cannot be trained on, evaluated or selected from."""


class TooFewError(DataError):
    """A set of pictures is too small to train on.

    `kind` is "liked" or "ordinary", `name` the name of the set ("" for none), `count` its usable pictures, `needed`
    the least number, and `lost` the sentence about files that do not count.
    """

    def __init__(self, message: str, *, kind: str, count: int, needed: int, name: str, lost: str) -> None:
        super().__init__(message)
        self.kind, self.count, self.needed, self.name, self.lost = kind, count, needed, name, lost


class BackboneError(GanRMError):
    """A backbone is unknown, or its weights are missing or not the expected ones."""


class CheckpointError(GanRMError):
    """A checkpoint is damaged, foreign, or of an unknown format version."""


class OutputError(GanRMError):
    """A result cannot be written to its path."""


class NameTakenError(OutputError):
    """A result cannot be written, since its path is already taken."""


class SourceError(OutputError):
    """One source file cannot be copied, moved or linked; others still can.

    `reason` is the short message, without the file's name and advice.
    """

    def __init__(self, message: str, reason: str) -> None:
        super().__init__(message)
        self.reason = reason
