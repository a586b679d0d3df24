"""Writes an export of groups into a new folder, complete or not at all, and not again if the same is there already."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from ...ganrm_core.data.image_metadata import KEY, metadata_json, write_png
from ...ganrm_core.post_training.export import (
    TABLE,
    TABLE_COLUMNS,
    ExportSettings,
    picture_name,
    table_row,
    text_files,
)
from ...ganrm_core.post_training.parquet import ParquetWriter
from ...ganrm_core.selection.output_folder import NewFolder, free_folder, whole_folder
from ...ganrm_core.utils.error_text import printable
from ...ganrm_core.utils.errors import OutputError
from ...ganrm_core.utils.file_names import fitting_name, numbers
from ...ganrm_core.utils.files import atomic_file, shown


@dataclass(frozen=True)
class Sample:
    """A decoded picture with what its metadata says."""

    picture: Image.Image
    score: float
    seed: int


@dataclass(frozen=True)
class Item:
    """What becomes one entry of the training set; `worse` is None unless pairs are exported."""

    better: Sample
    worse: Sample | None
    caption: str


@dataclass(frozen=True)
class Written:
    """`files`: all of them, pictures first. `better`: the pictures worth liking. `new`: False if they were there."""

    folder: Path
    files: tuple[Path, ...]
    better: tuple[Path, ...]
    new: bool


def write_export(wanted: Path, items: Iterator[Item], settings: ExportSettings) -> Written:
    """Write `items`, taken one by one, to `wanted` or the first free `wanted (2)` …; existing files are never touched.

    If `wanted` or one of its numbered siblings holds exactly these files already, nothing is added. Raises OutputError
    where the disk refuses; then, as after any other exception, nothing of it is left.
    """
    draft = _Draft(wanted.name, settings)
    try:
        with whole_folder(free_folder(wanted)) as folder:
            with _naming(folder):
                draft.fill(folder.staging, items)
            if (there := _same_content(wanted, folder.staging, draft.names)) is not None:
                raise _AlreadyThereError
    except _AlreadyThereError:
        assert there is not None
        return draft.written(there, new=False)
    return draft.written(folder.target, new=True)


@contextmanager
def _naming(folder: NewFolder) -> Iterator[None]:
    """Lets errors name the folder to be, and not the hidden one that is renamed to it."""
    try:
        yield
    except OutputError as error:
        hidden, named = printable(str(folder.staging)), printable(str(folder.target))
        raise OutputError(str(error).replace(hidden, named)) from error
    except OSError as error:
        raise OutputError(
            f"Cannot write the export to {shown(folder.target)}: {error.strerror or error}. Check the disk, or choose a "
            "folder on another one."
        ) from error


class _AlreadyThereError(Exception):
    """Lets the folder being written be removed again."""


@dataclass
class _Draft:
    """The files of one export. `name`: of the whole export, without a number."""

    name: str
    settings: ExportSettings
    names: list[str] = field(default_factory=list)
    better: list[str] = field(default_factory=list)

    def fill(self, home: Path, items: Iterator[Item]) -> None:
        if self.settings.in_table:
            self._fill_table(home, items)
            return
        captions = []
        for number, item in enumerate(items):
            for sample in filter(None, (item.better, item.worse)):
                is_better = sample is item.better
                name = picture_name(self.settings, number, self.name, better=is_better)
                _write(home / name, _png(sample))
                captions.append((name, item.caption))
                if is_better:
                    self.better.append(name)
        texts = text_files(self.settings, captions)
        for name, text in texts.items():
            _write(home / name, text.encode())
        self.names = [name for name, _ in captions] + list(texts)

    def _fill_table(self, home: Path, items: Iterator[Item]) -> None:
        with ExitStack() as stack:
            path = stack.enter_context(atomic_file(home / TABLE))
            writer = ParquetWriter(stack.enter_context(path.open("wb")), TABLE_COLUMNS)
            for item in items:
                assert item.worse is not None
                writer.write([table_row(_png(item.better), _png(item.worse), item.caption)])
            writer.close()
        self.names = [TABLE]

    def written(self, folder: Path, *, new: bool) -> Written:
        files, better = (tuple(folder / name for name in names) for names in (self.names, self.better))
        return Written(folder, files, better, new)


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(path) as temporary:
        temporary.write_bytes(data)


def _png(sample: Sample) -> bytes:
    """Encoded with score and seed, but without the workflow, which other trainers and data sets have no business with."""
    encoded = io.BytesIO()
    write_png(sample.picture, encoded, {KEY: metadata_json(score=round(sample.score, 6), seed=sample.seed)})
    return encoded.getvalue()


def _same_content(wanted: Path, staging: Path, names: list[str]) -> Path | None:
    """The first of `wanted`, `wanted (2)` … with just these files; what a trainer put beside them does not count."""
    expected = {name: (staging / name).read_bytes for name in names}
    for number in numbers():
        folder = wanted.with_name(fitting_name(wanted.parent, wanted.name, number)) if number else wanted
        if not folder.is_dir():
            return None
        if _holds(folder, expected):
            return folder
    return None


def _holds(folder: Path, expected: dict[str, Callable[[], bytes]]) -> bool:
    suffixes = {Path(name).suffix for name in expected}
    try:
        found = {
            path.relative_to(folder).as_posix()
            for path in folder.rglob("*")
            if path.suffix in suffixes and not path.name.startswith(".")
        }
        return found == set(expected) and all(
            (folder / name).read_bytes() == read() for name, read in expected.items()
        )
    except OSError:
        return False
