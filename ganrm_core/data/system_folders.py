"""Names of folders that systems and programs keep for themselves: thumbnails, deleted files, resource forks."""

from __future__ import annotations

# fmt: off
_NAMES = frozenset((
    "#recycle", "#snapshot", "@eadir", "@tmp", "@sharebin",  # Synology
    "@recycle", "@recently-snapshot", "@__thumb",  # QNAP
    "$recycle.bin", "recycler", "recycled", "system volume information", "found.000",  # Windows
    "__macosx", "ipod photo cache",  # macOS
    "lost+found",  # Linux
))
# fmt: on
_ENDINGS = (".lrdata",)  # Lightroom's previews


def is_system_folder(name: str) -> bool:
    """Whether a folder called `name` holds only files of a system or program.

    Hidden ones count, such as .thumbnails, .Trash-1000 and .@__thumb.
    """
    plain = name.casefold()
    return plain.startswith(".") or plain in _NAMES or plain.endswith(_ENDINGS)
