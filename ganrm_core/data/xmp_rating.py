"""Star rating in an XMP packet: parsed by expat in bounded time and memory, and written.

XMP is RDF in XML (ISO 16684-1). Programs write a simple property as an attribute of `rdf:Description` (Adobe, darktable,
digiKam) or as an element inside it (ExifTool, Windows). Expat reads both without a tree, and refuses what no packet needs.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Mapping
from dataclasses import dataclass

from ..utils.error_text import reason
from ..utils.errors import ImageError

MOST_BYTES = 4 << 20
"""Largest packet that is parsed. Packets with a long edit history have some hundred kilobytes."""
_MOST_ELEMENTS, _DEEPEST, _MOST_TEXT = 200_000, 100, 40

REJECTED, UNRATED, MOST_STARS = -1, 0, 5

_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_XMP = "http://ns.adobe.com/xap/1.0/"
_MICROSOFT = "http://ns.microsoft.com/photo/1.0"
_OURS = "urn:gan-rm:rating/"
_ROOT, _DESCRIPTION = f"{_RDF} RDF", f"{_RDF} Description"
_STARS, _OUR_STARS = f"{_XMP} Rating", f"{_OURS} Stars"
# Windows ends the namespace with a slash, ExifTool does not.
_MICROSOFT_STARS = tuple(f"{_MICROSOFT}{end} Rating" for end in ("/", ""))
_MICROSOFT_PERCENT = tuple(f"{_MICROSOFT}{end} RatingPercent" for end in ("/", ""))
_PROPERTIES = (_STARS, *_MICROSOFT_STARS, *_MICROSOFT_PERCENT, _OUR_STARS)

_NUMBER = re.compile(r"[+-]?\d{1,3}(\.\d{1,6})?", re.ASCII)
_PERCENTS = (1, 13, 38, 63, 88)
"""The least percentage of 1 to 5 stars: Windows writes 1, 25, 50, 75 and 99."""


class MetadataError(ImageError):
    """Metadata of a picture that is refused. The text is a short reason, without the file's name."""


@dataclass(frozen=True)
class Rating:
    """Stars from 1 to 5; -1: rejected, 0: expressly not rated. `by_model`: written by us, and unchanged since."""

    stars: int
    by_model: bool = False


def xmp_rating(packet: bytes) -> Rating | None:
    """The rating in a packet: `xmp:Rating`, else `MicrosoftPhoto:Rating` or `RatingPercent`; None where it has none.

    Values that are no rating, such as 7 stars, do not count. Raises MetadataError for what is refused: a document
    type (with which entities could grow without bound), another encoding than UTF-8, broken, huge or deeply nested XML.
    """
    values = _values(packet)
    numbers = {name: _number(values.get(name)) for name in _PROPERTIES}
    candidates = (
        stars_of_number(numbers[_STARS]),
        *(_microsoft_stars(numbers[name]) for name in _MICROSOFT_STARS),
        *(stars_of_percent(numbers[name]) for name in _MICROSOFT_PERCENT),
    )
    found = next((stars for stars in candidates if stars is not None), None)
    return None if found is None else Rating(found, found == numbers[_OUR_STARS])


def stars_of_number(value: float | None) -> int | None:
    """Stars of a number from 0 to 5, fractions cut off; -1 (rejected) stays. None for anything else."""
    if value is None or not (value == REJECTED or UNRATED <= value <= MOST_STARS):
        return None
    return int(value)


def stars_of_percent(value: float | None) -> int | None:
    """Stars of Windows' percentages; None for what is none."""
    if value is None or not 0 <= value <= 100:
        return None
    return sum(value >= least for least in _PERCENTS)


def rating_packet(stars: int) -> str:
    """An XMP packet with a rating of 1 to 5 stars, marked as given by a model.

    The mark repeats the stars: once a person changes these, the rating counts as theirs (`Rating.by_model`).
    """
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n'
        '<x:xmpmeta xmlns:x="adobe:ns:meta/">\n'
        f' <rdf:RDF xmlns:rdf="{_RDF}">\n'
        f'  <rdf:Description rdf:about="" xmlns:xmp="{_XMP}" xmlns:ganrm="{_OURS}"\n'
        f'   xmp:Rating="{stars}" ganrm:Stars="{stars}"/>\n'
        " </rdf:RDF>\n"
        "</x:xmpmeta>\n"
        '<?xpacket end="w"?>'
    )


class _Complete(Exception):  # noqa: N818 - not an error
    """The root element has ended; padding or rubbish may follow."""


class _PropertyReader:
    """Expat handlers that collect the first value of each of `_PROPERTIES` that belongs to the picture itself.

    Only properties of a description directly in `rdf:RDF` do: others are about its history or what it was made of.
    """

    def __init__(self) -> None:
        self.values: dict[str, str] = {}
        self._path: list[str] = []
        self._elements = 0
        self._text: list[str] | None = None

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        self._elements += 1
        if self._elements > _MOST_ELEMENTS:
            raise MetadataError(f"its XMP has more than {_MOST_ELEMENTS:,} elements")
        if len(self._path) >= _DEEPEST:
            raise MetadataError(f"its XMP is nested more than {_DEEPEST} deep")
        above = self._path[-2:]
        self._path.append(name)
        self._text = [] if above == [_ROOT, _DESCRIPTION] and name in _PROPERTIES else None
        if name == _DESCRIPTION and above[-1:] == [_ROOT]:
            for known in _PROPERTIES:
                if known in attributes:
                    self.values.setdefault(known, attributes[known])

    def characters(self, text: str) -> None:
        if self._text is not None and len(self._text) < _MOST_TEXT:
            self._text.append(text)

    def end(self, name: str) -> None:
        self._path.pop()
        if self._text is not None:
            self.values.setdefault(name, "".join(self._text))
            self._text = None
        if not self._path:
            raise _Complete


def _values(packet: bytes) -> Mapping[str, str]:
    if len(packet) > MOST_BYTES:
        raise MetadataError(f"its XMP is larger than {MOST_BYTES >> 20} MB")
    text = packet.removeprefix(codecs.BOM_UTF8).lstrip()
    if text.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or b"\0" in text[:4].rstrip(b"\0"):
        raise MetadataError("its XMP is not in UTF-8")
    text = text.partition(b"\0")[0]  # cameras and TIFF pad with NUL bytes, and what follows is none of it
    if not text:
        return {}
    try:
        import xml.parsers.expat as expat
    except ImportError as error:  # such as a libexpat of another version than Python was built for
        raise MetadataError(f"Python's XML parser does not load: {reason(error)}") from error
    reader = _PropertyReader()
    # Named here, the encoding is not taken from the packet.
    parser = expat.ParserCreate("UTF-8", " ")
    parser.buffer_text = True
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.characters
    parser.StartDoctypeDeclHandler = _refuse_document_type
    try:
        parser.Parse(text, True)
    except _Complete:
        pass
    except expat.ExpatError as error:
        raise MetadataError(f"its XMP is damaged ({expat.ErrorString(error.code)})") from error
    return reader.values


def _refuse_document_type(*_: object) -> None:
    raise MetadataError("its XMP declares a document type, which is not read for safety")


def _number(text: str | None) -> float | None:
    """The number that a value is; None for anything else."""
    stripped = (text or "").strip()
    return float(stripped) if _NUMBER.fullmatch(stripped) else None


def _microsoft_stars(value: float | None) -> int | None:
    """Windows stores a percentage under this name, others stars: up to 5 it cannot be one of its percentages but 1."""
    return stars_of_number(value) if value is not None and value <= MOST_STARS else stars_of_percent(value)
