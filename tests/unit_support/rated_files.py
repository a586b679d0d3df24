"""Picture files and sidecars that carry a star rating, each written as one of the programs that artists rate with does."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

from PIL import Image

RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
XMP = "http://ns.adobe.com/xap/1.0/"


def attribute(name: str = "xmp:Rating", value: object = 4, uri: str = XMP) -> str:
    """A packet with the property as an attribute."""
    return in_rdf(f'<rdf:Description rdf:about="" xmlns:{name.split(":")[0]}="{uri}" {name}="{value}"/>')


def element(name: str = "xmp:Rating", value: object = 4, uri: str = XMP) -> str:
    """A packet with the property as an element."""
    inside = f"<{name}>{value}</{name}>"
    return in_rdf(
        f'<rdf:Description rdf:about="" xmlns:{name.split(":")[0]}="{uri}">{inside}</rdf:Description>'
    )


def in_rdf(inside: str) -> str:
    return f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="{RDF}">{inside}</rdf:RDF></x:xmpmeta>'


PROGRAMS = {
    # A raw converter's sidecar: attributes over many lines, no XML declaration, the edits beside it.
    "Bridge": f"""<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="Adobe XMP Core 5.6-c140 79.160451, 2017/05/06-01:08:21        ">
 <rdf:RDF xmlns:rdf="{RDF}">
  <rdf:Description rdf:about=""
    xmlns:tiff="http://ns.adobe.com/tiff/1.0/"
    xmlns:xmp="{XMP}"
    xmlns:xmpMM="http://ns.adobe.com/xap/1.0/mm/"
    xmlns:stEvt="http://ns.adobe.com/xap/1.0/sType/ResourceEvent#"
    xmlns:crs="http://ns.adobe.com/camera-raw-settings/1.0/"
   tiff:Orientation="1"
   xmp:Rating="4"
   xmp:Label="Red"
   crs:Exposure2012="+0.25">
   <xmpMM:History>
    <rdf:Seq>
     <rdf:li stEvt:action="saved" stEvt:changed="/metadata"/>
    </rdf:Seq>
   </xmpMM:History>
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
""",
    # Between processing instructions, with padding for changes in place.
    "Lightroom": f"""<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="Adobe XMP Core 7.0-c000 1.000000, 0000/00/00-00:00:00        ">
 <rdf:RDF xmlns:rdf="{RDF}">
  <rdf:Description rdf:about="" xmlns:xmp="{XMP}" xmlns:dc="http://purl.org/dc/elements/1.1/"
   xmp:CreatorTool="Lightroom" xmp:Rating="4" dc:format="image/jpeg">
   <dc:subject><rdf:Bag><rdf:li>cats</rdf:li></rdf:Bag></dc:subject>
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
{' ' * 2000}
<?xpacket end="w"?>""",
    # By Exiv2: an XML declaration, the history of edits in a sequence.
    "darktable": f"""<?xml version="1.0" encoding="UTF-8"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="XMP Core 4.4.0-Exiv2">
 <rdf:RDF xmlns:rdf="{RDF}">
  <rdf:Description rdf:about=""
    xmlns:xmp="{XMP}"
    xmlns:darktable="http://darktable.sf.net/"
   xmp:Rating="4"
   darktable:xmp_version="5"
   darktable:history_end="1">
   <darktable:history>
    <rdf:Seq>
     <rdf:li darktable:num="0" darktable:operation="exposure" darktable:enabled="1" darktable:params="00"/>
    </rdf:Seq>
   </darktable:history>
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
""",
    # By Exiv2, the rating under three names.
    "digiKam": f"""<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="XMP Core 4.4.0-Exiv2">
 <rdf:RDF xmlns:rdf="{RDF}">
  <rdf:Description rdf:about=""
    xmlns:digiKam="http://www.digikam.org/ns/1.0/"
    xmlns:xmp="{XMP}"
    xmlns:acdsee="http://ns.acdsee.com/iptc/1.0/"
    xmlns:MicrosoftPhoto="http://ns.microsoft.com/photo/1.0/"
   digiKam:PickLabel="0"
   xmp:Rating="4"
   acdsee:rating="4"
   MicrosoftPhoto:Rating="75">
   <digiKam:TagsList><rdf:Seq><rdf:li>cats</rdf:li></rdf:Seq></digiKam:TagsList>
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
""",
    # Also ComfyUI's asset managers, which call it: elements, single quotes, one description for each namespace.
    "ExifTool": f"""<?xpacket begin='\ufeff' id='W5M0MpCehiHzreSzNTczkc9d'?>
<x:xmpmeta xmlns:x='adobe:ns:meta/' x:xmptk='Image::ExifTool 12.99'>
<rdf:RDF xmlns:rdf='{RDF}'>

 <rdf:Description rdf:about=''
  xmlns:MicrosoftPhoto='http://ns.microsoft.com/photo/1.0'>
  <MicrosoftPhoto:Rating>75</MicrosoftPhoto:Rating>
 </rdf:Description>

 <rdf:Description rdf:about=''
  xmlns:xmp='{XMP}'>
  <xmp:Rating>4</xmp:Rating>
 </rdf:Description>
</rdf:RDF>
</x:xmpmeta>
<?xpacket end='w'?>""",
    # One description for each namespace, all of one UUID, and the old prefix of XMP's own.
    "Windows": f"""<?xpacket begin='\ufeff' id='W5M0MpCehiHzreSzNTczkc9d'?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="{RDF}">\
<rdf:Description rdf:about="uuid:faf5bdd5-ba3d-11da-ad31-d33d75182f1b" xmlns:MicrosoftPhoto="http://ns.microsoft.com/photo/1.0/">\
<MicrosoftPhoto:Rating>75</MicrosoftPhoto:Rating></rdf:Description>\
<rdf:Description rdf:about="uuid:faf5bdd5-ba3d-11da-ad31-d33d75182f1b" xmlns:xap="{XMP}"><xap:Rating>4</xap:Rating>\
</rdf:Description></rdf:RDF></x:xmpmeta>
<?xpacket end='w'?>""",
}  # fmt: skip
"""A packet of 4 stars as each program writes it."""

HOSTILE = {
    "bomb": (
        '<!DOCTYPE r [<!ENTITY a "xxxxxxxxxx"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>'
        f"{attribute(value='&b;')}"
    ).encode(),
    "external": f'<!DOCTYPE r SYSTEM "file:///etc/passwd">{attribute()}'.encode(),
    "empty document type": f"<!DOCTYPE x>{attribute()}".encode(),
    "undeclared entity": element(value="&four;").encode(),
    "large": attribute().encode() + b" " * (4 << 20),
    "deep": b"<a>" * 1_000_000,
    "many elements": b"<a>" + b"<b/>" * 500_000 + b"</a>",
    "NUL": attribute().replace("Rating", "Rat\0ing").encode(),
    "UTF-16": attribute().encode("utf-16"),
    "UTF-16 without a mark": attribute().encode("utf-16-le"),
    "Latin-1": b'<?xml version="1.0" encoding="latin-1"?>' + attribute(value="4\xe9").encode("latin-1"),
    "cut off": attribute().encode()[:-20],
    "no XML": b"Rating: 4",
}
"""Packets that are refused."""


def picture(colour: int = 0) -> Image.Image:
    return Image.new("RGB", (16, 12), (colour % 256, 80, 120))


def png(
    path: Path, packet: bytes | None, *, late: bool = False, packed: bool = False, exif: bytes = b""
) -> Path:
    """A PNG with the packet before or (as ExifTool writes it) after the pixels."""
    out = io.BytesIO()
    picture().save(out, format="PNG", **({"exif": exif} if exif else {}))
    data = out.getvalue()
    if packet is not None:
        text = zlib.compress(packet) if packed else packet
        body = b"XML:com.adobe.xmp\0" + bytes([packed]) + b"\0\0\0" + text
        place = data.index(b"IEND") - 4 if late else data.index(b"IDAT") - 4
        data = data[:place] + _chunk(b"iTXt", body) + data[place:]
    path.write_bytes(data)
    return path


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def jpeg(path: Path, *segments: bytes, exif: bytes = b"") -> Path:
    """A JPEG with the given APP1 segments, their identifiers included."""
    out = io.BytesIO()
    picture().save(out, format="JPEG", **({"exif": exif} if exif else {}))
    data = out.getvalue()
    inside = b"".join(b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body for body in segments)
    path.write_bytes(data[:2] + inside + data[2:])
    return path


def exif_rating(stars: int | None = None, percent: int | None = None) -> bytes:
    """EXIF with Windows' rating tags."""
    tags = Image.Exif()
    if stars is not None:
        tags[0x4746] = stars
    if percent is not None:
        tags[0x4749] = percent
    return tags.tobytes()
