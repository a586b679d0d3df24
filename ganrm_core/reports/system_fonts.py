"""Search for an installed system font with Chinese, Japanese and Korean (CJK) letters.

None is shipped: such a font is ten times the size of this library.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from PIL import ImageFont

_FILES = (
    "msyh.ttc", "msyh.ttf", "simhei.ttf",
    "PingFang.ttc", "Hiragino Sans GB.ttc", "STHeiti Light.ttc",
    "NotoSansCJK-Regular.ttc", "NotoSansCJKsc-Regular.otf", "NotoSansSC-Regular.otf", "NotoSansSC-Regular.ttf",
    "SourceHanSansSC-Regular.otf", "SourceHanSans-Regular.ttc", "SourceHanSansCN-Regular.otf",
    "wqy-microhei.ttc", "wqy-zenhei.ttc", "DroidSansFallbackFull.ttf", "DroidSansFallback.ttf",
)  # fmt: skip
"""Sans-serif fonts of Windows, macOS and Linux, preferred ones first."""

_SIMPLIFIED = " SC"  # in the family name of the face with mainland letter shapes
_MOST_FACES = 16


@lru_cache(maxsize=1)
def cjk_font() -> tuple[Path, int] | None:
    """Font file and the index of its face for simplified Chinese; None where the system has no such font."""
    found: dict[str, Path] = {}
    for folder in _folders():
        for path in _files_below(folder):
            found.setdefault(path.name, path)
    for name in _FILES:
        if name in found and (face := _simplified_face(found[name])) is not None:
            return found[name], face
    return None


def _folders() -> list[Path]:
    home = Path.home()
    if sys.platform == "win32":
        local = Path(os.environ.get("LOCALAPPDATA", home / "AppData" / "Local"))
        return [
            Path(os.environ.get("WINDIR", r"C:\Windows")) / "Fonts",
            local / "Microsoft" / "Windows" / "Fonts",
        ]
    if sys.platform == "darwin":
        return [Path("/System/Library/Fonts"), Path("/Library/Fonts"), home / "Library" / "Fonts"]
    return [
        Path("/usr/share/fonts"),
        Path("/usr/local/share/fonts"),
        home / ".local" / "share" / "fonts",
        home / ".fonts",
    ]


def _files_below(folder: Path) -> Iterator[Path]:
    for place, _, names in os.walk(folder):  # unreadable folders are skipped
        yield from (Path(place, name) for name in names if name in _FILES)


def _simplified_face(path: Path) -> int | None:
    """Index of the first face for simplified Chinese, else of the first face; None for a damaged file."""
    first: int | None = None
    for face in range(_MOST_FACES):
        try:
            family = ImageFont.truetype(str(path), 16, index=face).getname()[0] or ""
        except (OSError, ValueError):
            break
        if f"{family} ".find(f"{_SIMPLIFIED} ") >= 0:
            return face
        first = 0
    return first
