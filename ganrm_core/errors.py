"""Errors that a person reads: what is wrong, with which file, and what to do next."""

from __future__ import annotations


class GanRMError(Exception):
    """Base of every error this library raises on purpose. The message is written for the user."""


class ImageError(GanRMError):
    """A picture, or a tensor that should be one, cannot be used."""


class DataError(GanRMError):
    """A set of pictures cannot be trained on, evaluated or selected from."""


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
