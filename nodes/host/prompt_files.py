"""Prompt files (.txt, .csv) in ComfyUI's input folder: a combo's options, safe paths, reading and fingerprints."""

from __future__ import annotations

import codecs
import hashlib
import itertools
from collections.abc import Iterator
from pathlib import Path

import folder_paths

from ...ganrm_core.post_training.prompt_list import csv_prompts, prompt_lines
from ...ganrm_core.utils.errors import DataError, GanRMError
from ...ganrm_core.utils.files import is_file, shown
from .folders import subfolders
from .safe_paths import allowed_absolute_path, check_text, relative_path, unquoted

NONE = "none"
_SUFFIXES = (".txt", ".csv")
_MOST_BYTES = 8_000_000
_MOST_OFFERED = 500


def prompt_file_choices() -> list[str]:
    """Combo options: no file, and those of the input folder and its subfolders, by their path below it."""
    home = _input_folder()
    folders = ["", *subfolders(home)]
    return [NONE, *itertools.islice(_offered(home, folders), _MOST_OFFERED)]


def prompt_file(value: str) -> Path | None:
    """The file of a combo's value; None for no file. Raises DataError for one that is missing or may not be read."""
    check_text(value, "read from")
    name = unquoted(value).strip()
    if name in ("", NONE):
        return None
    path = allowed_absolute_path(name, "read from") or _input_folder() / relative_path(
        name, name, "read from"
    )
    if path.suffix.lower() not in _SUFFIXES:
        raise DataError(
            f"{shown(name)} is no list of prompts. Choose a .txt file (one prompt a line) or a .csv file."
        )
    if not is_file(path):
        raise DataError(
            f"There is no file {shown(name)} in ComfyUI's input folder. Put it there, or choose another; press R on the "
            "page to refresh the list."
        )
    return path


def prompts_of_file(value: str) -> list[str]:
    """The prompts of a combo's file as they are written there, choices and all; [] for no file."""
    path = prompt_file(value)
    if path is None:
        return []
    text = _text(path)
    return csv_prompts(text, path.name) if path.suffix.lower() == ".csv" else prompt_lines(text)


def prompt_file_fingerprint(value: str | None) -> str:
    """Changes with the file's content; value None is a linked input, which ComfyUI does not tell. Never raises."""
    if value is None:
        return "linked"
    try:
        path = prompt_file(value)
        content = b"" if path is None else _content(path)
    except (GanRMError, OSError, ValueError) as error:
        content = f"{type(error).__name__} {error}".encode("utf-8", "surrogatepass")
    return hashlib.sha256(content).hexdigest()


def _input_folder() -> Path:
    return Path(folder_paths.get_input_directory())


def _offered(home: Path, folders: list[str]) -> Iterator[str]:
    for folder in folders:
        try:
            names = sorted(
                path.name for path in (home / folder).iterdir() if path.suffix.lower() in _SUFFIXES
            )
        except OSError:
            continue
        for name in names:
            choice = f"{folder}/{name}" if folder else name
            if not name.startswith(".") and _is_choice(choice):
                yield choice


def _is_choice(choice: str) -> bool:
    """Whether the name survives a workflow."""
    try:
        choice.encode("utf-8")
        return prompt_file(choice) is not None
    except (DataError, UnicodeEncodeError):
        return False


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise DataError(
            f"Cannot read {shown(path.name)}: {error.strerror or error}. Check its permissions, or choose another file."
        ) from error
    if len(content) > _MOST_BYTES:
        raise DataError(
            f"The file {shown(path.name)} is too long for a list of prompts: at most {_MOST_BYTES // 10**6} MB are read. "
            "Split it."
        )
    return content


def _text(path: Path) -> str:
    content = _content(path)
    utf16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        text = content.decode("utf-16" if utf16 else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(
            f"The file {shown(path.name)} is not text in UTF-8. Save it again with the encoding UTF-8."
        ) from error
    if "\0" in text:
        raise DataError(
            f"The file {shown(path.name)} holds no text. Choose a .txt or .csv file with prompts."
        )
    return text
