"""Prompts given for a number of pictures: which text belongs to which picture."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from ..utils.errors import DataError
from ..utils.files import shown
from .picture_prompt import PicturePrompt

PromptOf = Callable[[Path], PicturePrompt]
"""The prompt of a file, or why it has none. May raise ImageError."""

_FILE_COLUMNS, _PROMPT_COLUMN = ("file", "path", "picture", "image"), "prompt"
_MOST_BYTES = 50_000_000


def prompts_for(given: Sequence[str], count: int, group_size: int = 0) -> list[str]:
    """One prompt for each of `count` pictures.

    One text belongs to all of them, unless it has as many lines as there are pictures, or groups of `group_size`: then
    each has its line. Several texts must be one for each picture, or one for each group. Raises DataError where they are
    not.
    """
    size = group_size or count
    groups = -(-count // size) if size else 0
    texts = list(given)
    if len(texts) == 1:
        lines = [line.strip() for line in texts[0].splitlines() if line.strip()]
        texts = lines if len(lines) in (count, groups) else [texts[0]] * count
    if len(texts) == count:
        return texts
    if len(texts) == groups:
        return [texts[position // size] for position in range(count)]
    of_groups = f", or one for each of the {groups} groups" if group_size and groups < count else ""
    raise DataError(
        f"There are {count} pictures but {len(texts)} prompts. Give one for all, or one for each{of_groups}."
    )


def use_of_prompts(prompts: Sequence[str]) -> str:
    """What is said about the prompts of pictures, such as "judged by one prompt"."""
    different = len(dict.fromkeys(prompts))
    return "judged by one prompt" if different == 1 else f"judged by {different} different prompts"


def prompts_of_files(given: Sequence[str], paths: Sequence[Path]) -> PromptOf:
    """`prompts_for` files, in their order."""
    of_path = dict(zip(paths, prompts_for(given, len(paths)), strict=True))
    return lambda path: PicturePrompt(of_path[path])


def prompts_of_table(table: Path, paths: Sequence[Path]) -> PromptOf:
    """The prompts that a file holds for `paths`: CSV with the columns file and prompt, or text with one a line.

    CSV: paths are relative to its own folder, or names that are unique among `paths`; the header is optional. Lines: one
    for each picture in order, or one for all. Raises DataError for a file that cannot be used.
    """
    text = _text(table)
    if table.suffix.lower() != ".csv":
        lines = text.strip("\r\n").splitlines()
        return prompts_of_files(lines, paths)
    known = _rows(text, table)
    found = {path: prompt for path in paths if (prompt := _prompt_in(known, path, table.parent)) is not None}
    if paths and not found:
        raise DataError(
            f"{shown(table)} names none of the pictures. Write their paths into the column 'file', as seen from the folder "
            "of this table."
        )
    missing = PicturePrompt("", f"{shown(table.name)} has no prompt for it")
    return lambda path: PicturePrompt(found[path]) if path in found else missing


def _rows(text: str, table: Path) -> dict[str, str]:
    """Prompts by the path as it is written."""
    try:
        rows = [row for row in csv.reader(io.StringIO(text, newline="")) if any(row)]
    except csv.Error as error:
        raise DataError(f"{shown(table)} is no readable table ({error}). Save it as CSV anew.") from error
    header = [cell.strip().lower() for cell in rows[0]] if rows else []
    file_at, prompt_at = 0, 1
    if _PROMPT_COLUMN in header and (named := [name for name in _FILE_COLUMNS if name in header]):
        file_at, prompt_at = header.index(named[0]), header.index(_PROMPT_COLUMN)
        rows = rows[1:]
    short = next((number for number, row in enumerate(rows, 1) if len(row) <= max(file_at, prompt_at)), None)
    if short is not None:
        raise DataError(
            f"Row {short} of {shown(table)} has no second column. Write path,prompt in each row, with quotes around prompts "
            "that hold commas."
        )
    return {row[file_at].strip(): row[prompt_at] for row in rows}


def _prompt_in(known: Mapping[str, str], path: Path, home: Path) -> str | None:
    names = [str(path), path.as_posix(), path.name]
    full = path.absolute()
    names.insert(0, str(full))
    if full.is_relative_to(home.absolute()):
        names.insert(0, full.relative_to(home.absolute()).as_posix())
    return next((known[name] for name in names if name in known), None)


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise DataError(f"Cannot read the prompts in {shown(path)} ({error.strerror or error}).") from error
    if len(content) > _MOST_BYTES:
        raise DataError(
            f"{shown(path)} is too long for a list of prompts: at most {_MOST_BYTES // 10**6} MB are read. Split it."
        )
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{shown(path)} is not text in UTF-8. Save it again with that encoding.") from error
