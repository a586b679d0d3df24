"""Path validation for untrusted workflow values: no escape from the folders ComfyUI or its owner opened.

A shared workflow is untrusted, and the server does not check every value it is sent.
"""

from __future__ import annotations

import codecs
import os
import re
from pathlib import Path, PurePosixPath, PureWindowsPath

import folder_paths

from ...ganrm_core.utils.errors import DataError
from ...ganrm_core.utils.files import shown

ALLOWED_FILE = "ganrm_folders.txt"
SEPARATOR = re.compile(r"[/\\]")  # both, on every system: workflows travel


def unquoted(value: str) -> str:
    """The path without the quotes that file managers put around a path copied to the clipboard."""
    if not isinstance(value, str):  # a workflow may hold anything; `check_text` says so
        return value
    inner = value.strip()
    return inner[1:-1] if len(inner) > 1 and inner[0] == inner[-1] and inner[0] in "\"'" else value


def relative_path(rest: str, value: str, doing: str) -> Path:
    """`rest` as a relative path that stays below whatever folder it is joined to; empty for that folder itself.

    `doing`: "read from" or "written to". Raises DataError, naming the whole `value`, for a path that would leave
    the folder on any operating system.
    """
    check_text(value, doing)
    parts = [part for part in SEPARATOR.split(rest) if part not in ("", ".")]
    if _is_absolute(rest) or any(_escapes(part) for part in parts):
        raise DataError(
            f"The path {shown(value)} leads out of its folder, so it is not {doing}. Give a name inside the "
            "folder, without .., a drive or a slash at its beginning."
        )
    return Path(*parts)


def allowed_absolute_path(value: str, doing: str) -> Path | None:
    """`value` as a path if it is absolute, None if it is relative. Raises DataError where the owner did not allow it."""
    check_text(value, doing)
    if not _is_absolute(value):
        return None
    path = Path(value)
    if not path.is_absolute():
        raise DataError(
            f"The path {shown(value)} is one of another machine's, so it is not {doing}. Choose a folder of this "
            "one."
        )
    if any(_escapes(part) for whole in path.parts[1:] for part in SEPARATOR.split(whole)):
        raise DataError(
            f"The path {shown(value)} leads out of a folder on its way, so it is not {doing}. Name the folder "
            "that it ends in, without .. on the way."
        )
    if not any(folder == path or folder in path.parents for folder in allowed_folders()):
        raise DataError(
            f"The folder {shown(value)} lies outside ComfyUI's own, so it is not {doing} until you allow it. "
            f"If this is your own workflow, add this line to {shown(allowed_file())} (make the file if need "
            f"be): {value}"
        )
    return path


def check_text(value: str, doing: str) -> None:
    """Raise DataError for values that are no text, and for characters no path has: they could forge message lines."""
    if not isinstance(value, str):
        raise DataError(f"A folder is named by text, not by {value!r}. Choose one from the list.")
    try:
        os.fsencode(value)
    except UnicodeEncodeError:
        valid = False
    else:
        valid = not any(ord(character) < 32 or ord(character) == 127 for character in value)
    if not valid:
        raise DataError(
            f"The path {shown(value)} holds characters that no folder has in its name, so it is not {doing}. "
            "Type the name again."
        )


def allowed_file() -> Path:
    """The owner's allowlist of further folders: one absolute path per line."""
    return Path(folder_paths.get_user_directory()) / ALLOWED_FILE


def allowed_folders() -> list[Path]:
    """The folders of the owner's allowlist; [] without one. Read anew at every call."""
    try:
        content = allowed_file().read_bytes()
    except OSError:
        return []
    # Windows' shell and editor may write UTF-16.
    utf16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    lines = content.decode("utf-16" if utf16 else "utf-8-sig", errors="replace").splitlines()
    entries = (line.strip().strip('"') for line in lines)
    return [
        Path(entry) for entry in entries if entry and not entry.startswith("#") and Path(entry).is_absolute()
    ]


def _is_absolute(value: str) -> bool:
    # A Windows drive or share counts on every system.
    windows = PureWindowsPath(value)
    return PurePosixPath(value).is_absolute() or bool(windows.drive) or bool(windows.root)


def _escapes(part: str) -> bool:
    # Windows ignores dots and spaces at the end of a name, and a drive inside a path restarts it there.
    return not part.strip(" .") or bool(PureWindowsPath(part).drive)
