"""Scores of a block of files on any filesystem as table rows, by the code that `ganrm score` runs on one machine."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from ..data.picture_prompt import PicturePrompt, picture_prompt
from ..data.skipped_files import Skipped
from ..rewards.base import Reward, Scores
from ..rewards.prompted_files import score_prompted_files
from ..selection.folder import group_of_name
from ..utils.errors import DataError, OutputError
from ..utils.files import shown
from ..utils.parallel import in_order
from .storage import Folder, check_visible

_FETCHED_TOGETHER = 128  # pictures of a bucket on the local disk at a time, twice
_CONNECTIONS = 16
_NOT_FINITE = "its score is not a finite number"

Row = dict[str, Any]
"""The columns of `run_folder.SCHEMA`."""


@dataclass(frozen=True)
class _Picture:
    """A picture of the block; `file` is its local file, None where it cannot be scored, which `error` explains.

    `unreachable`: it is there, or may be, and was not handed over.
    """

    name: str
    group: str | None
    file: Path | None = None
    error: str = ""
    unreachable: bool = False


class BlockScorer:
    """Scores files with one reward, loaded once.

    `prompt`: of all pictures, else the one stored in each. `group_by`: a regular expression for the group, as in
    `FolderSettings`.
    """

    def __init__(self, reward: Reward, prompt: str | None = None, group_by: str | None = None) -> None:
        self._reward, self._prompt, self._group_by = reward, prompt, group_by

    def rows(self, folder: Folder, names: Sequence[str]) -> list[Row]:
        """One row per file of the folder, in order. A file that cannot be read or scored is a row with an error.

        Raises DataError where the folder itself cannot be read, since rows are final.
        """
        pictures = [self._picture(name) for name in names]
        if folder.is_local:
            check_visible(folder.path)
            return self._scored(folder, [_at(each, folder.path_of(each.name)) for each in pictures])
        starts = range(0, len(pictures), _FETCHED_TOGETHER)
        rows: list[Row] = []
        with tempfile.TemporaryDirectory(prefix="ganrm-") as room:

            def fetch(start: int) -> list[_Picture]:
                return _fetched(folder, pictures[start : start + _FETCHED_TOGETHER], Path(room) / str(start))

            # The next block is fetched while one is scored.
            for block in in_order(starts, fetch, threads=1, ahead=2):
                rows += self._scored(folder, block)
                for each in block:
                    if each.file is not None:
                        each.file.unlink()
        return rows

    def _picture(self, name: str) -> _Picture:
        if self._group_by is None:
            return _Picture(name, None)
        group = group_of_name(PurePosixPath(name).name, self._group_by)
        if group is None:
            return _Picture(name, None, error="its name does not match --group-by")
        return _Picture(name, printable(group))

    def _scored(self, folder: Folder, block: Sequence[_Picture]) -> list[Row]:
        skipped: list[Skipped] = []
        files = [each.file for each in block if each.file is not None]
        scored = dict(score_prompted_files(self._reward, files, skipped, self._prompt_of))
        reasons = {entry.path: entry.reason for entry in skipped}
        return [
            {
                "path": printable(folder.url_of(each.name)),
                "group": each.group,
                **_figures(each, scored, reasons),
            }
            for each in block
        ]

    def _prompt_of(self, path: Path) -> PicturePrompt:
        return picture_prompt(path) if self._prompt is None else PicturePrompt(self._prompt)


def failed_row(folder: Folder, name: str, error: str) -> Row:
    """The row of a picture that was not scored."""
    return {"path": printable(folder.url_of(name)), "group": None, **_failure(error)}


def printable(name: str) -> str:
    """A name as valid Unicode: bytes that are none, which Linux allows, are escaped."""
    return name.encode("utf-8", "backslashreplace").decode("utf-8")


def _figures(picture: _Picture, scored: dict[Path, Scores], reasons: dict[Path, str]) -> Row:
    if picture.file is None:
        return _failure(picture.error)
    if picture.file not in scored:
        return _failure(reasons[picture.file])
    result = scored[picture.file]
    row = {name: float(getattr(result, name)) for name in ("score", "logit", "uncertainty")}
    return {**row, "error": None} if all(map(math.isfinite, row.values())) else _failure(_NOT_FINITE)


def _failure(error: str) -> Row:
    return {"score": None, "logit": None, "uncertainty": None, "error": error}


def _at(picture: _Picture, file: str | Path) -> _Picture:
    return picture if picture.error else replace(picture, file=Path(file))


def _fetched(folder: Folder, pictures: Sequence[_Picture], room: Path) -> list[_Picture]:
    """The pictures with copies of their files in the new local folder `room`, fetched over several connections.

    Raises DataError where none of several can be had: the store is at fault then, not the files.
    """
    room.mkdir()

    def fetch(position: int, picture: _Picture) -> _Picture:
        if picture.error:
            return picture
        file = room / f"{position:04}{PurePosixPath(picture.name).suffix}"
        try:
            content = folder.read(picture.name)
        except FileNotFoundError:
            return replace(picture, error="it is no longer there")
        except DataError as error:
            return replace(picture, error=str(error), unreachable=True)
        try:
            file.write_bytes(content)
        except OSError as error:
            raise OutputError(
                f"A worker cannot keep pictures in {shown(room)} for scoring: {error.strerror}. Make room there, or set TMPDIR."
            ) from error
        return _at(picture, file)

    with ThreadPoolExecutor(_CONNECTIONS, thread_name_prefix="ganrm-fetch") as pool:
        fetched = list(pool.map(fetch, range(len(pictures)), pictures))
    if len(fetched) > 1 and all(each.unreachable for each in fetched):
        raise DataError(fetched[0].error)
    return fetched
