"""HTML report page: what it holds, and rendering it as one self-contained file.

Everything written is escaped: file names, and with them captions and warnings, are not to be trusted.
"""

from __future__ import annotations

import base64
import io
import math
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from PIL import Image

from ..metrics.binary import Interval

if TYPE_CHECKING:
    from jinja2 import Template

TEMPLATE = Path(__file__).with_name("report.html.jinja")


@dataclass(frozen=True)
class Themed:
    """One picture for light pages and one for dark ones, such as a chart. Both have the same size."""

    light: Image.Image
    dark: Image.Image


Picture = Image.Image | Themed
Layout = Literal["figures", "thumbnails"]


@dataclass(frozen=True)
class Section:
    """Card of a page: a heading, how to read what is shown, pictures with captions, a table.

    Where a caption has several lines, the first is prominent. `layout` "figures" shows each picture at the
    section's full width, "thumbnails" four in a row. The first row of `table` is its header. Sections that
    are not `wide` are laid out two abreast on wide screens.
    """

    title: str
    text: str = ""
    images: Sequence[tuple[Picture, str]] = ()
    table: Sequence[Sequence[str]] | None = None
    layout: Layout = "figures"
    wide: bool = True


@dataclass(frozen=True)
class Headline:
    """The main figure of a page, drawn with its interval on a scale from `start` to `end`."""

    figure: Interval
    label: str
    start: float = 0.5
    end: float = 1.0
    start_words: str = ""
    end_words: str = ""

    @property
    def value_text(self) -> str:
        return f"{self.figure.value:.3f}" if math.isfinite(self.figure.value) else "not known"

    @property
    def interval_text(self) -> str:
        """Empty where any end is unknown."""
        if not math.isfinite(self.figure.value + self.figure.low + self.figure.high):
            return ""
        return f"95% interval: {self.figure.low:.3f} to {self.figure.high:.3f}"

    @property
    def percents(self) -> tuple[float, float, float]:
        """Positions of low end, value and high end on the scale, 0–100."""
        low, value, high = (
            100 * min(1.0, max(0.0, (end - self.start) / (self.end - self.start)))
            for end in (self.figure.low, self.figure.value, self.figure.high)
        )
        return low, value, high


@dataclass(frozen=True)
class Report:
    """A whole report. `lead` sums up the result in a sentence or two.

    `facts` are names and values; of a value with several lines the first is prominent.
    """

    title: str
    lead: str
    facts: Sequence[tuple[str, str]]
    sections: Sequence[Section]
    headline: Headline | None = None
    warnings: Sequence[str] = ()


def page(report: Report) -> str:
    """The report as one complete HTML document."""
    return _template().render(report=report)


@lru_cache(maxsize=1)
def _template() -> Template:
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        autoescape=True, finalize=_printable, undefined=StrictUndefined, keep_trailing_newline=True
    )
    environment.filters["embed"] = _embedded
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8"))


@dataclass(frozen=True)
class _Embedded:
    """A picture as data URIs; `width` and `height` in pixels."""

    light: str
    dark: str | None
    width: int
    height: int


def _embedded(picture: Picture) -> _Embedded:
    if isinstance(picture, Themed):
        return _Embedded(_data_uri(picture.light), _data_uri(picture.dark), *picture.light.size)
    return _Embedded(_data_uri(picture), None, *picture.size)


def _data_uri(picture: Image.Image) -> str:
    transparent = picture.has_transparency_data
    picture = picture.convert("RGBA" if transparent else "RGB")
    buffer = io.BytesIO()
    # Drawings have few colours and want sharp edges; photographs would be huge without loss.
    if transparent or picture.getcolors(maxcolors=8192) is not None:
        kind = "png"
        picture.save(buffer, "PNG", optimize=True)
    else:
        kind = "jpeg"
        picture.save(buffer, "JPEG", quality=90, subsampling=0, optimize=True)
    return f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"


_BIDI = {"\u061c", "\u200e", "\u200f", *map(chr, range(0x202A, 0x202F)), *map(chr, range(0x2066, 0x206A))}
_UNPRINTABLE = ("Cc", "Cs")  # control characters; surrogates, of file names that are no valid text


def _printable(value: object) -> object:
    """Text as Jinja is to escape it: control, surrogate and text direction characters as their codes."""
    if type(value) is str:  # else markup, which a macro has escaped already
        return "".join(map(_visible, value))
    return value


def _visible(char: str) -> str:
    if char == "\n" or (char not in _BIDI and unicodedata.category(char) not in _UNPRINTABLE):
        return char
    return char.encode("unicode_escape").decode("ascii")
