"""Fonts for drawn reports: text that fits its room and shows no empty boxes."""

from __future__ import annotations

import importlib.util
import unicodedata
from functools import lru_cache
from pathlib import Path

from PIL import ImageFont

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

_PLAIN = {"–": "-", "—": "-", "−": "-", "‘": "'", "’": "'", "“": '"', "”": '"', "…": "...", "×": "x"}


def fitting_text(text: str, size: int, room: float) -> tuple[str, Font]:
    """`text` on one line, cut with an ellipsis to at most `room` pixels, and the font to draw it with.

    `size` is the letter height in pixels. Characters that no font at hand has are replaced by their
    plain form (é by e, — by -) or by "?".
    """
    text, font = _spelled(" ".join(text.split()), size)
    if font.getlength(text) <= room:
        return text, font
    ellipsis = _drawable("…", font)
    # The longest beginning that fits; zero characters always "fit", even if nothing is left to show.
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        if font.getlength(text[:middle].rstrip() + ellipsis) <= room:
            low = middle
        else:
            high = middle - 1
    return (text[:low].rstrip() + ellipsis if low else ""), font


def wrapped_text(text: str, size: int, room: float) -> tuple[list[str], Font]:
    """`text` in lines of at most `room` pixels, and the font to draw them with; nothing is left out.

    Lines break at spaces and where `text` has line breaks; a longer word, such as a path, breaks anywhere.
    """
    text, font = _spelled(text, size)
    lines: list[str] = []
    for paragraph in text.split("\n"):
        line = ""
        for word in paragraph.split():
            longer = f"{line} {word}" if line else word
            if font.getlength(longer) <= room:
                line = longer
                continue
            if line:
                lines.append(line)
            *full, line = _pieces(word, font, room)
            lines += full
        lines.append(line)
    return lines, font


def _pieces(word: str, font: Font, room: float) -> list[str]:
    """`word` broken into pieces that fit; one character at least each, however narrow the room."""
    pieces = [""]
    for char in word:
        if pieces[-1] and font.getlength(pieces[-1] + char) > room:
            pieces.append("")
        pieces[-1] += char
    return pieces


def _spelled(text: str, size: int) -> tuple[str, Font]:
    """`text` in characters that the best font for it has, and that font. Line breaks stay."""
    fonts = _fonts(size)
    # A plain dash in the nicer font beats a long one in the other.
    wanted = [char for char in text if char not in _PLAIN and char != "\n"]
    font = next((font for font in fonts if all(_has_glyph(char, font) for char in wanted)), fonts[-1])
    return "".join(char if char == "\n" else _drawable(char, font) for char in text), font


def _drawable(char: str, font: Font) -> str:
    if _has_glyph(char, font):
        return char
    plain = _PLAIN.get(char) or "".join(
        part for part in unicodedata.normalize("NFKD", char) if not unicodedata.combining(part)
    )
    return plain if plain and all(_has_glyph(part, font) for part in plain) else "?"


@lru_cache(maxsize=32)
def _fonts(size: int) -> tuple[Font, ...]:
    """Pillow's own font, the same on every system, then one that knows more scripts, if installed."""
    fonts: list[Font] = [ImageFont.load_default(size)]
    matplotlib = importlib.util.find_spec("matplotlib")  # finds its files without importing it
    if matplotlib is not None and matplotlib.origin:
        wide = Path(matplotlib.origin).parent / "mpl-data" / "fonts" / "ttf" / "DejaVuSans.ttf"
        if wide.is_file() and isinstance(fonts[0], ImageFont.FreeTypeFont):
            # Its letters are larger at the same nominal size.
            fonts.append(ImageFont.truetype(wide, round(size * 0.92)))
    return tuple(fonts)


@lru_cache(maxsize=8192)
def _has_glyph(char: str, font: Font) -> bool:
    if char == " ":
        return True
    drawn, missing = font.getmask(char), font.getmask("\uffff")
    return (drawn.size, bytes(drawn)) != (missing.size, bytes(missing))
