"""Fonts for drawn reports: text in the language in use that fits its room and shows no empty boxes."""

from __future__ import annotations

import importlib.util
import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from PIL import ImageFont

from .system_fonts import cjk_font
from .translation import letters_needed, translated

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

_CJK = "\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uffef"
_CLOSING = "，。、；：！？）》】」』”’…·"  # never at the beginning of a line
_OPENING = "（《【「『“‘"  # never at its end
_UNITS = re.compile(rf"\s+|[{_OPENING}]*(?:[{_CJK}]|(?:\d+ (?:s|min)\b|[^\s{_CJK}])+)[{_CLOSING}]*")
"""What lines may be broken between: single CJK letters, else whole words, with the punctuation that belongs to them.

A duration such as "84 s" is one word.
"""

_CJK_SIZE = 0.94  # CJK letters fill their square and look larger
_ANY_SIZE = 16
_PLAIN = {"–": "-", "—": "-", "−": "-", "‘": "'", "’": "'", "“": '"', "”": '"', "…": "...", "×": "x"}


def fitting_text(text: str, size: int, room: float) -> tuple[str, Font]:
    """`text` on one line, cut with an ellipsis to at most `room` pixels, and the font to draw it with.

    `size` is the letter height in pixels. Characters that no font at hand has are replaced by their
    plain form (é by e, — by -) or by "?".
    """
    text, font = _spelled(" ".join(spoken(text).split()), size)
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
    text, font = _spelled(spoken(text), size)
    lines: list[str] = []
    for paragraph in text.split("\n"):
        line = ""
        for unit in _UNITS.findall(paragraph):
            if font.getlength((line + unit).rstrip()) <= room:
                line += " " if unit.isspace() else unit
                continue
            if line.strip():
                lines.append(line.strip())
            *full, line = _pieces(unit.strip(), font, room)
            lines += full
        lines.append(line.strip())
    return lines, font


def _pieces(word: str, font: Font, room: float) -> list[str]:
    """`word` broken into pieces that fit; one character at least each, however narrow the room."""
    pieces = [""]
    for char in word:
        if pieces[-1] and font.getlength(pieces[-1] + char) > room:
            pieces.append("")
        pieces[-1] += char
    return pieces


def spoken(text: str) -> str:
    """`text` in the language in use, if a font at hand has its letters: English beats empty boxes."""
    return translated(text) if _can_draw(letters_needed()) else text


@lru_cache(maxsize=8)
def _can_draw(letters: frozenset[str]) -> bool:
    font = _best_font(tuple(letters), _ANY_SIZE)
    return all(_has_glyph(letter, font) for letter in letters)


def rise(font: Font, size: int) -> int:
    """By how many pixels `font` sets its base line lower than Pillow's own font does below the same top edge."""
    own = _fonts(size)[0]
    if not isinstance(font, ImageFont.FreeTypeFont) or not isinstance(own, ImageFont.FreeTypeFont):
        return 0
    return font.getmetrics()[0] - own.getmetrics()[0]


def _spelled(text: str, size: int) -> tuple[str, Font]:
    """`text` in characters that the best font for it has, and that font. Line breaks stay."""
    # A plain dash in the nicer font beats a long one in the other.
    font = _best_font([char for char in text if char not in _PLAIN and char != "\n"], size)
    return "".join(char if char == "\n" else _drawable(char, font) for char in text), font


def _best_font(letters: Sequence[str], size: int) -> Font:
    """The first font that has all letters, or else the one that lacks the fewest."""
    best, fewest = _fonts(size)[0], len(letters) + 1
    for find in (
        _fonts,
        _system_fonts,
    ):  # looking through the system's fonts takes long, and is seldom needed
        for font in find(size):
            lacking = sum(not _has_glyph(letter, font) for letter in letters)
            if not lacking:
                return font
            if lacking < fewest:
                best, fewest = font, lacking
    return best


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


@lru_cache(maxsize=32)
def _system_fonts(size: int) -> tuple[Font, ...]:
    found = cjk_font()
    if found is None or not isinstance(_fonts(size)[0], ImageFont.FreeTypeFont):
        return ()
    path, face = found
    return (ImageFont.truetype(path, round(size * _CJK_SIZE), index=face),)


@lru_cache(maxsize=8192)
def _has_glyph(char: str, font: Font) -> bool:
    if char == " ":
        return True
    drawn, missing = font.getmask(char), font.getmask("\uffff")
    return (drawn.size, bytes(drawn)) != (missing.size, bytes(missing))
