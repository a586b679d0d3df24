"""Numbered output file names from a prefix with %variables%, as ComfyUI's Save Image gives them."""

from __future__ import annotations

import math
import os
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ...ganrm_core.reports.score_format import score_text
from ...ganrm_core.utils.errors import DataError, OutputError
from ...ganrm_core.utils.file_names import fitting_name
from ...ganrm_core.utils.files import shown
from . import folders
from .safe_paths import SEPARATOR, check_text, relative_path, unquoted

_DATE = re.compile(r"%date:([^%]*)%")
_DATE_PART = re.compile(r"yyyy|yy|dd?|MM?|hh?|mm?|ss?")
_NO_SCORE = "unscored"
_CLOCK = {"year": "%Y", "month": "%m", "day": "%d", "hour": "%H", "minute": "%M", "second": "%S"}


@dataclass(frozen=True)
class Place:
    """A free path for one image, and its subfolder of the output folder as the page names it."""

    path: Path
    subfolder: str

    @property
    def name(self) -> str:
        """The path relative to the output folder."""
        return Path(self.subfolder, self.path.name).as_posix()


class SavePaths:
    """Iterates over free names: `prefix_00001_.png`, `prefix_00002_.png` …

    `prefix` may hold folders, %score% and ComfyUI's variables (%year%, %width%, %batch_num%, %date:yyyy-MM-dd% …; see
    `_CLOCK`). Raises OutputError for a prefix outside the output folder, or if its folder cannot be made.
    """

    def __init__(self, prefix: str, suffix: str) -> None:
        self._started = time.localtime()
        try:
            check_text(prefix, "written to")
            # Dates first: the form of %date:..% stays as it is, and must not lead out.
            dated = "/".join(map(self._with_dates, SEPARATOR.split(unquoted(prefix))))
            relative = relative_path(dated, prefix, "written to")
        except DataError as error:
            raise OutputError(str(error)) from error
        if relative == Path():
            raise OutputError("Give the pictures a filename prefix, such as GAN-RM/best.")
        self._prefix, self._suffix = relative, suffix
        self._counters: dict[Path, int] = {}
        self._count = 0

    def next(self, width: int, height: int, score: float | None = None) -> Place:
        """The place of the next image of `width` × `height` pixels."""
        values = {"width": width, "height": height, "batch_num": self._count, "score": _score_text(score)}
        prefix = Path(*(_with_values(part, values) for part in self._prefix.parts))
        home, name = folders.output_folder() / prefix.parent, prefix.name
        counter = self._counters.get(prefix) or _next_number(home, name)
        while os.path.lexists(path := self._path(home, name, counter)):
            counter += 1
        self._counters[prefix] = counter + 1
        self._count += 1
        return Place(path, "" if prefix.parent == Path() else prefix.parent.as_posix())

    def _path(self, home: Path, name: str, counter: int) -> Path:
        return home / fitting_name(home, name, f"_{counter:05}_{self._suffix}")

    def _with_dates(self, part: str) -> str:
        """`part`, a folder or file name, with the variables replaced that are the same for all pictures."""
        text = _DATE.sub(lambda match: self._date(match[1]), part)
        for name, form in _CLOCK.items():
            text = text.replace(f"%{name}%", time.strftime(form, self._started))
        return text

    def _date(self, form: str) -> str:
        """The date format of ComfyUI's page: yyyy, MM, dd, hh, mm, ss; a single letter is not zero-padded."""
        now = self._started
        parts = {"d": now.tm_mday, "M": now.tm_mon, "h": now.tm_hour, "m": now.tm_min, "s": now.tm_sec}

        def written(match: re.Match[str]) -> str:
            letters = match[0]
            if letters[0] == "y":
                return str(now.tm_year)[-len(letters) :]
            return str(parts[letters[0]]).zfill(len(letters))

        return _DATE_PART.sub(written, form)


def _with_values(part: str, values: Mapping[str, object]) -> str:
    """`part` with the variables of one picture replaced: by digits, a dot and a sign, or a word."""
    for name, value in values.items():
        part = part.replace(f"%{name}%", str(value))
    return part


def _score_text(score: float | None) -> str:
    """As on the contact sheets, such as 0.83, but with an ASCII minus."""
    return _NO_SCORE if score is None or not math.isfinite(score) else score_text(score).replace("−", "-")


def _next_number(home: Path, name: str) -> int:
    """One more than the highest number among images called `name` in `home`, which is created if missing.

    Links that the owner placed in the output folder are followed: `relative_path` already confines the prefix, so
    ComfyUI's own check, which in newer versions resolves links, is not used.
    """
    numbered = re.compile(rf"{re.escape(os.path.normcase(name))}_(\d+)[_.]")
    try:
        home.mkdir(parents=True, exist_ok=True)
        matches = [numbered.match(os.path.normcase(file.name)) for file in home.iterdir()]
    except OSError as error:
        raise OutputError(
            f"Cannot write to {shown(home)}: {error.strerror or error}. Choose another filename prefix."
        ) from error
    return 1 + max((int(match[1]) for match in matches if match), default=0)
