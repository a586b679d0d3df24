"""Errors that a person reads: what is wrong, with which file, and what to do next."""

from __future__ import annotations

from typing import Any


def _short(module: str) -> str:
    """The module's name from the library's own on: logs show it, and ComfyUI loads packs under their whole path."""
    return module[max(0, module.rfind("ganrm_core.")) :]


class GanRMError(Exception):
    """Base of every error this library raises on purpose. The message is written for the user."""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        cls.__module__ = _short(cls.__module__)


GanRMError.__module__ = _short(GanRMError.__module__)


class ImageError(GanRMError):
    """A picture, or a tensor that should be one, cannot be used."""


class DataError(GanRMError):
    """A set of pictures cannot be trained on, evaluated or selected from."""


class TooFewError(DataError):
    """A set of pictures is too small to train on.

    `kind` is "liked" or "ordinary", `name` what the set is called ("" where it has no name); it has `count` usable
    pictures of the `needed` ones, and `lost` says which files do not count.
    """

    def __init__(self, message: str, *, kind: str, count: int, needed: int, name: str, lost: str) -> None:
        super().__init__(message)
        self.kind, self.count, self.needed, self.name, self.lost = kind, count, needed, name, lost


class BackboneError(GanRMError):
    """A backbone is unknown, its weights are absent, or they are not the ones expected."""


class CheckpointError(GanRMError):
    """A checkpoint is damaged, not ours, or of a format this version does not know."""


class OutputError(GanRMError):
    """A result cannot be written where it was asked for."""


class NameTakenError(OutputError):
    """A result cannot be written under its name, since something else bears it."""


class SourceError(OutputError):
    """A file cannot be placed because of something about that file: others can.

    `reason` is the short form, without name and advice.
    """

    def __init__(self, message: str, reason: str) -> None:
        super().__init__(message)
        self.reason = reason
