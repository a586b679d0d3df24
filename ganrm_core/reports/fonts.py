"""Fonts for drawn text: translation, choice of a font with all the glyphs, cutting and line breaking to a width."""

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
_CLOSING = "，。、；：！？）》】」』”’…·"  # not at the beginning of a line
_OPENING = "（《【「『“‘"  # not at its end
_UNITS = re.compile(rf"\s+|[{_OPENING}]*(?:[{_CJK}]|(?:\d+ (?:s|min)\b|[^\s{_CJK}])+)[{_CLOSING}]*")
"""Units that a line may break between: single CJK letters, else words, each with its punctuation.

A duration such as "84 s" is one word.
"""

_CJK_SIZE = 0.94  # CJK letters fill their square and look larger
_TEST_SIZE = 16
_PLAIN = {"–": "-", "—": "-", "−": "-", "‘": "'", "’": "'", "“": '"', "”": '"', "…": "...", "×": "x"}


def fitting_text(text: str, size: int, room: float) -> tuple[str, Font]:
    """Translated `text` on one line, cut with an ellipsis to at most `room` pixels, and the font to draw it with.

    `size` is the letter height in pixels. Characters missing in every font are replaced by their plain form
    (é by e, — by -) or by "?".
    """
    text, font = _drawable_text(" ".join(localized(text).split()), size)
    if font.getlength(text) <= room:
        return text, font
    ellipsis = _drawable("…", font)
    # Binary search for the longest beginning that fits; zero characters always do.
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        if font.getlength(text[:middle].rstrip() + ellipsis) <= room:
            low = middle
        else:
            high = middle - 1
    return (text[:low].rstrip() + ellipsis if low else ""), font


def wrapped_text(text: str, size: int, room: float) -> tuple[list[str], Font]:
    """Translated `text` in lines of at most `room` pixels, and the font to draw them with; nothing is cut.

    Lines break at spaces and at the line breaks of `text`; a word wider than `room`, such as a path, breaks anywhere.
    """
    text, font = _drawable_text(localized(text), size)
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
    """`word` broken into pieces of at most `room` pixels and at least one character."""
    pieces = [""]
    for char in word:
        if pieces[-1] and font.getlength(pieces[-1] + char) > room:
            pieces.append("")
        pieces[-1] += char
    return pieces


def localized(text: str) -> str:
    """`text` in the current language, or in English where no font has the letters of that language."""
    return translated(text) if _can_draw(letters_needed()) else text


@lru_cache(maxsize=8)
def _can_draw(letters: frozenset[str]) -> bool:
    font = _best_font(tuple(letters), _TEST_SIZE)
    return all(_has_glyph(letter, font) for letter in letters)


def baseline_shift(font: Font, size: int) -> int:
    """Pixels that the base line of `font` lies below that of Pillow's own font of this size, for equal top edges."""
    own = _fonts(size)[0]
    if not isinstance(font, ImageFont.FreeTypeFont) or not isinstance(own, ImageFont.FreeTypeFont):
        return 0
    return font.getmetrics()[0] - own.getmetrics()[0]


def _drawable_text(text: str, size: int) -> tuple[str, Font]:
    """`text` with missing characters replaced, and the best font for it. Line breaks are kept."""
    # Characters with a plain form do not decide: a plain dash in the first font is better than a long one in another.
    font = _best_font([char for char in text if char not in _PLAIN and char != "\n"], size)
    return "".join(char if char == "\n" else _drawable(char, font) for char in text), font


def _best_font(letters: Sequence[str], size: int) -> Font:
    """The first font that has all letters, else the one that lacks the fewest."""
    best, fewest = _fonts(size)[0], len(letters) + 1
    # Searching the system's fonts is slow and seldom needed.
    for find in (_fonts, _system_fonts):
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
    """Pillow's own font, the same on every system, then matplotlib's DejaVu Sans with more scripts, if installed."""
    fonts: list[Font] = [ImageFont.load_default(size)]
    matplotlib = importlib.util.find_spec("matplotlib")  # finds its files without importing it
    if matplotlib is not None and matplotlib.origin:
        wide = Path(matplotlib.origin).parent / "mpl-data" / "fonts" / "ttf" / "DejaVuSans.ttf"
        if wide.is_file() and isinstance(fonts[0], ImageFont.FreeTypeFont):
            # Its letters are larger at the same nominal size.
            fonts.append(ImageFont.truetype(str(wide), round(size * 0.92)))
    return tuple(fonts)


@lru_cache(maxsize=32)
def _system_fonts(size: int) -> tuple[Font, ...]:
    found = cjk_font()
    if found is None or not isinstance(_fonts(size)[0], ImageFont.FreeTypeFont):
        return ()
    path, face = found
    return (ImageFont.truetype(str(path), round(size * _CJK_SIZE), index=face),)


@lru_cache(maxsize=8192)
def _has_glyph(char: str, font: Font) -> bool:
    if char == " ":
        return True
    drawn, missing = font.getmask(char), font.getmask("\uffff")
    return (drawn.size, bytes(drawn)) != (missing.size, bytes(missing))
