"""Star ratings in XMP packets as the usual programs write them, and packets that are refused."""

from __future__ import annotations

import resource
import sys
import time

import pytest
from unit_support.rated_files import HOSTILE, PROGRAMS, XMP, attribute, element, in_rdf

from ganrm_core.data.xmp_rating import MetadataError, Rating, rating_packet, xmp_rating

MICROSOFT = ("http://ns.microsoft.com/photo/1.0/", "http://ns.microsoft.com/photo/1.0")


def stars(packet: str) -> int | None:
    found = xmp_rating(packet.encode())
    return None if found is None else found.stars


@pytest.mark.parametrize("program", PROGRAMS)
def test_reads_what_programs_write(program: str) -> None:
    assert xmp_rating(PROGRAMS[program].encode()) == Rating(4)


@pytest.mark.parametrize("form", [attribute, element])
@pytest.mark.parametrize(
    ("value", "expected"),
    [*((str(n), n) for n in range(-1, 6)), (" 3\n", 3), ("4.0", 4), ("4.9", 4), ("+2", 2)]
    + [(text, None) for text in ("6", "-2", "-0.5", "nan", "1e0", "five", "", "٣", "9" * 5000)],
)
def test_values(form: object, value: str, expected: int | None) -> None:
    assert callable(form)
    assert stars(form(value=value)) == expected


@pytest.mark.parametrize("uri", MICROSOFT)
@pytest.mark.parametrize("name", ["Rating", "RatingPercent"])
def test_windows_percentages(name: str, uri: str) -> None:
    for percent, expected in ((0, 0), (1, 1), (25, 2), (50, 3), (75, 4), (99, 5), (100, 5), (101, None)):
        assert stars(attribute(f"ms:{name}", percent, uri)) == expected
        assert stars(element(f"ms:{name}", percent, uri)) == expected
    # Some programs store stars under the name of the percentage.
    assert stars(attribute("ms:Rating", 4, uri)) == 4
    assert stars(attribute("ms:RatingPercent", 4, uri)) == 1


def test_the_usual_name_comes_first_and_a_value_that_is_none_does_not_hide_the_next() -> None:
    both = '<rdf:Description xmlns:m="http://ns.microsoft.com/photo/1.0/" xmlns:xmp="{}" m:Rating="99" xmp:Rating="{}"/>'
    assert stars(in_rdf(both.format(XMP, 2))) == 2
    assert stars(in_rdf(both.format(XMP, 0))) == 0
    assert stars(in_rdf(both.format(XMP, 9))) == 5


def test_only_properties_of_the_picture_itself_count() -> None:
    about = f'<rdf:Description rdf:about="" xmlns:xmp="{XMP}" xmlns:o="o">{{}}</rdf:Description>'
    for inside in (
        '<o:from rdf:parseType="Resource"><xmp:Rating>5</xmp:Rating></o:from>',
        '<o:from><rdf:Description xmp:Rating="5"/></o:from>',
        '<o:list><rdf:Seq><rdf:li xmp:Rating="5"/></rdf:Seq></o:list>',
        "<o:Rating>5</o:Rating>",
        "<xmp:Rating><o:in>5</o:in></xmp:Rating>",
    ):
        assert stars(in_rdf(about.format(inside))) is None
        assert stars(in_rdf(about.format(f"{inside}<xmp:Rating>3</xmp:Rating>"))) in (3, None)
    assert stars(f'<Rating xmlns="{XMP}">5</Rating>') is None


def test_what_surrounds_the_packet_does_no_harm() -> None:
    for data in (
        b"\xef\xbb\xbf" + attribute().encode(),
        b" \r\n" + attribute().encode() + b"\0" * 7,
        attribute().encode() + b"\0\x01rubbish of the next block",
        attribute().encode() + b"<?xpacket end='w'?>rubbish",
    ):
        assert xmp_rating(data) == Rating(4)
    assert xmp_rating(b"") is None
    assert xmp_rating(b"\0\0\0\0") is None


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_packets_are_refused_soon_and_in_little_memory(kind: str) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.process_time()
    with pytest.raises(MetadataError, match="its XMP"):
        xmp_rating(HOSTILE[kind])
    assert time.process_time() - started < 10
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 << 10


def test_every_attribute_of_a_full_packet_is_read_in_bounded_memory() -> None:
    many = " ".join(f'a{number:x}=""' for number in range(100_000))
    assert stars(in_rdf(f'<rdf:Description xmlns:xmp="{XMP}" xmp:Rating="2" {many}/>')) == 2


@pytest.mark.parametrize("given", [1, 5])
def test_a_written_packet_tells_that_a_model_rated_until_someone_changes_it(given: int) -> None:
    packet = rating_packet(given)
    assert xmp_rating(packet.encode()) == Rating(given, by_model=True)
    changed = packet.replace(f'xmp:Rating="{given}"', 'xmp:Rating="3"')
    assert xmp_rating(changed.encode()) == Rating(3)


def test_without_an_xml_parser_no_rating_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "xml.parsers.expat", None)
    with pytest.raises(MetadataError, match="XML parser does not load"):
        xmp_rating(attribute().encode())
    assert xmp_rating(b"") is None
