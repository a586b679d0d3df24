"""What a report holds, and the one HTML page it becomes: no scripts, nothing loaded from elsewhere.

Everything written is escaped: file names, and with them captions and warnings, are not to be trusted.
"""

from __future__ import annotations

import base64
import html
import io
import math
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from PIL import Image

from ..metrics.binary import Interval
from .html_style import STYLE


@dataclass(frozen=True)
class Themed:
    """One picture for light pages and one for dark ones, such as a chart. Both have the same size."""

    light: Image.Image
    dark: Image.Image


Picture = Image.Image | Themed
Layout = Literal["figures", "thumbnails"]


@dataclass(frozen=True)
class Section:
    """A heading, a sentence on what is shown and how to read it, and what is shown.

    `images` are pictures with captions; where a caption has several lines, the first is prominent.
    `layout` "figures" shows each at the section's full width, "thumbnails" four in a row. The first
    row of `table` is its header. Sections that are not `wide` stand side by side on wide screens.
    """

    title: str
    text: str = ""
    images: Sequence[tuple[Picture, str]] = ()
    table: Sequence[Sequence[str]] | None = None
    layout: Layout = "figures"
    wide: bool = True


@dataclass(frozen=True)
class Headline:
    """The one figure to remember, drawn with its interval on a line from `start` to `end`."""

    figure: Interval
    label: str
    start: float = 0.5
    end: float = 1.0
    start_words: str = ""
    end_words: str = ""


@dataclass(frozen=True)
class Report:
    """A whole report. `lead` says in a sentence or two what came out.

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
    title = _text(report.title)
    parts = [
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
        # Even if something slipped through the escaping, the page could neither run nor fetch it.
        '<meta http-equiv="Content-Security-Policy" '
        "content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'\">",
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        '<meta name="color-scheme" content="light dark">',
        f"<title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>",
        f'<header class="wide">\n<h1 dir="auto">{title}</h1>\n<div class="opening">',
        _headline(report.headline) if report.headline else "",
        f'<p class="lead" dir="auto">{_text(report.lead)}</p>\n</div>',
        _facts(report.facts),
        "</header>",
        _warnings(report.warnings),
        *map(_section, report.sections),
        "</main>\n<footer>Everything on this page, pictures included, is inside this one file.</footer>",
        "</body>\n</html>\n",
    ]
    return "\n".join(part for part in parts if part)


def _headline(headline: Headline) -> str:
    figure = headline.figure
    known = math.isfinite(figure.value)
    with_interval = known and math.isfinite(figure.low) and math.isfinite(figure.high)
    value = f"{figure.value:.3f}" if known else "not known"
    note = f"95% interval: {figure.low:.3f} to {figure.high:.3f}" if with_interval else ""
    return (
        f'<div class="headline">\n<p class="label">{_text(headline.label)}</p>\n'
        f'<p class="value">{value}</p>\n<p class="note">{note}</p>\n'
        f"{_scale(headline) if with_interval else ''}</div>"
    )


def _scale(headline: Headline) -> str:
    low, value, high = (
        100 * min(1.0, max(0.0, (end - headline.start) / (headline.end - headline.start)))
        for end in (headline.figure.low, headline.figure.value, headline.figure.high)
    )
    return (
        f'<div class="scale" aria-hidden="true"><i style="left:{low:.1f}%;width:{high - low:.1f}%"></i>'
        f'<b style="left:{value:.1f}%"></b></div>\n'
        f'<p class="ends"><span>{_text(headline.start_words)}</span>'
        f"<span>{_text(headline.end_words)}</span></p>\n"
    )


def _facts(facts: Sequence[tuple[str, str]]) -> str:
    rows = []
    for name, value in facts:
        first, *rest = value.split("\n")
        lines = f'<dd dir="auto">{_text(first)}</dd>' + "".join(f"<dd>{_text(line)}</dd>" for line in rest)
        rows.append(f"<div><dt>{_text(name)}</dt>{lines}</div>")
    return '<dl class="facts">\n' + "\n".join(rows) + "\n</dl>" if rows else ""


def _warnings(warnings: Sequence[str]) -> str:
    if not warnings:
        return ""
    lines = "\n".join(f'<li dir="auto">{_text(warning)}</li>' for warning in warnings)
    return f'<aside class="wide">\n<h2>Worth knowing</h2>\n<ul>\n{lines}\n</ul>\n</aside>'


def _section(section: Section) -> str:
    parts = [f'<section{" class=wide" if section.wide else ""}>\n<h2 dir="auto">{_text(section.title)}</h2>']
    if section.text:
        parts.append(f'<p dir="auto">{_text(section.text)}</p>')
    if section.images:
        drawn = _thumbnail if section.layout == "thumbnails" else _figure
        metrics = "\n".join(drawn(picture, caption) for picture, caption in section.images)
        parts.append(f'<div class="{section.layout}">\n{metrics}\n</div>')
    if section.table:
        parts.append(_table(section.table))
    return "\n".join([*parts, "</section>"])


def _figure(picture: Picture, caption: str) -> str:
    width, height = picture.light.size if isinstance(picture, Themed) else picture.size
    # On a narrow screen a broad figure scrolls sideways instead of becoming too small to read.
    kind = ' class="broad"' if width > 1.6 * height else ""
    return f'<figure>\n<div class="scroll">{_image(picture, caption, kind)}</div>{_caption(caption)}</figure>'


def _thumbnail(picture: Picture, caption: str) -> str:
    return f'<figure>\n<div class="frame">{_image(picture, caption)}</div>{_caption(caption)}</figure>'


def _caption(caption: str) -> str:
    if not caption:
        return ""
    first, *rest = caption.split("\n")
    # Cut off where there is no room for it; the whole of it shows under the mouse.
    lines = [f'<span dir="auto" title="{_text(line)}">{_text(line)}</span>' for line in rest]
    heading = f'<b dir="auto">{_text(first)}</b>' if rest else f'<span dir="auto">{_text(first)}</span>'
    return f"\n<figcaption>{heading}{''.join(lines)}</figcaption>\n"


def _table(rows: Sequence[Sequence[str]]) -> str:
    header, *body = rows
    lines = ["<tr>" + "".join(f'<th scope="col">{_text(cell)}</th>' for cell in header) + "</tr>"]
    lines += [
        "<tr>" + "".join(f'<td dir="auto">{_text(cell)}</td>' for cell in row) + "</tr>" for row in body
    ]
    return '<div class="scroll"><table>\n' + "\n".join(lines) + "\n</table></div>"


def _image(picture: Picture, caption: str, attributes: str = "") -> str:
    light = picture.light if isinstance(picture, Themed) else picture
    described = _text(" ".join(caption.split("\n")))
    image = (
        f'<img src="{_data_uri(light)}" width="{light.width}" height="{light.height}" '
        f'alt="{described}"{attributes}>'
    )
    if not isinstance(picture, Themed):
        return image
    dark = f'<source media="(prefers-color-scheme: dark)" srcset="{_data_uri(picture.dark)}">'
    return f"<picture>{dark}{image}</picture>"


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


def _text(text: str) -> str:
    """Escaped for element text and quoted attributes alike.

    Control characters, halves of characters (file names that are no valid text) and signs that turn
    the direction of what follows are shown as their codes.
    """
    return html.escape("".join(_visible(char) for char in text), quote=True)


def _visible(char: str) -> str:
    if char == "\n" or (char not in _BIDI and unicodedata.category(char) not in ("Cc", "Cs")):
        return char
    return char.encode("unicode_escape").decode("ascii")
