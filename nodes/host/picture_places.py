"""Names of saved pictures, by ComfyUI's own rules."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import folder_paths

from ...ganrm_core.errors import DataError, OutputError
from ...ganrm_core.file_names import fitting_name
from ...ganrm_core.files import shown
from . import folders


@dataclass(frozen=True)
class Place:
    """Where one picture goes: a free name, and its folder as the page knows it."""

    path: Path
    subfolder: str

    @property
    def name(self) -> str:
        """Below the output folder."""
        return Path(self.subfolder, self.path.name).as_posix()


class PicturePlaces:
    """Gives out one free name after the other: `prefix_00001_.png`, `prefix_00002_.png` …

    `prefix` may hold folders and ComfyUI's variables (%year%, %width%, %batch_num% …). Raises
    OutputError where it leads out of the output folder or its folder cannot be made.
    """

    def __init__(self, prefix: str, suffix: str) -> None:
        try:
            relative = folders.inside(prefix.strip(), prefix, "written to")
        except DataError as error:
            raise OutputError(str(error)) from error
        if relative == Path():
            raise OutputError("Give the pictures a filename prefix, such as GAN-RM/best.")
        self._prefix, self._suffix = relative.as_posix(), suffix
        self._folders: dict[tuple[int, int], tuple[str, str, int, str]] = {}
        self._counters: dict[tuple[str, str], int] = {}
        self._count = 0

    def next(self, width: int, height: int) -> Place:
        """The place of the next picture, of so many pixels."""
        home, name, counter, subfolder = self._resolved(width, height)
        name = name.replace("%batch_num%", str(self._count))
        counter = self._counters.get((home, name), counter)
        # ComfyUI does not count names with %batch_num% and starts them over; we overwrite nothing.
        while os.path.lexists(path := self._path(Path(home), name, counter)):
            counter += 1
        self._counters[home, name] = counter + 1
        self._count += 1
        return Place(path, subfolder)

    def _path(self, home: Path, name: str, counter: int) -> Path:
        return home / fitting_name(home, name, f"_{counter:05}_{self._suffix}")

    def _resolved(self, width: int, height: int) -> tuple[str, str, int, str]:
        if (width, height) not in self._folders:
            output = str(folders.output_folder())
            try:
                home, name, counter, subfolder, _ = folder_paths.get_save_image_path(
                    self._prefix, output, width, height
                )
            except OSError as error:
                raise OutputError(
                    f"Cannot write to {shown(self._prefix)} in the output folder: {error.strerror or error}. "
                    "Choose another filename prefix."
                ) from error
            self._folders[width, height] = (home, name, counter, subfolder)
        return self._folders[width, height]
