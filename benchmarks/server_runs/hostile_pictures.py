"""Pictures whose metadata names what lies outside: prompt graphs, workflows, parameters, XMP with entities, Exif."""

from __future__ import annotations

import json
from pathlib import Path

from host_support.drawn_pictures import draw
from host_support.hostile_names import attacks
from host_support.server import Server
from PIL import Image
from PIL.PngImagePlugin import PngInfo

FOLDER = "input/hostile"
_XMP = """<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?>
<!DOCTYPE x [<!ENTITY file SYSTEM "{address}"><!ENTITY % more SYSTEM "{address}"> %more;]>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmp:Rating="{rating}" xmp:Label="&file;">&file;</rdf:Description>
</rdf:RDF></x:xmpmeta><?xpacket end="w"?>"""
_DESCRIPTION, _COMMENT = 0x010E, 0x9286
_STEP = 17


def make_hostile_pictures(server: Server, outside: Path) -> None:
    """Every few attacks a picture, each with the value in all of its fields, and an XMP file beside it."""
    folder = server.folder(*FOLDER.split("/"))
    folder.mkdir()
    for number, attack in enumerate(attacks(outside)[::_STEP]):
        text = str(attack.value).encode("utf-8", "replace").decode()
        xmp = _XMP.format(address=(outside / "prompts.txt").as_uri(), rating=number % 6)
        path = folder / f"{number:03}.png"
        draw("liked", 7000 + number).save(path, pnginfo=_texts(text, xmp), exif=_exif(text))
        path.with_suffix(".xmp").write_text(xmp, encoding="utf-8")


def _texts(text: str, xmp: str) -> PngInfo:
    graph = {
        "1": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": text}},
        "2": {"class_type": "CLIPTextEncode", "inputs": {"text": text, "clip": ["1", 1]}},
        "3": {"class_type": "KSampler", "inputs": {"positive": ["2", 0], "negative": ["2", 0], "seed": text}},
        "4": {"class_type": "LoadImage", "inputs": {"image": text}},
    }
    info = PngInfo()
    info.add_text("prompt", json.dumps(graph))
    info.add_text("workflow", json.dumps({"nodes": [{"id": 1, "type": text, "widgets_values": [text]}]}))
    info.add_text("parameters", f"{text}\nNegative prompt: {text}\nSteps: 2, Model: {text}", zip=False)
    info.add_itxt("XML:com.adobe.xmp", xmp)
    return info


def _exif(text: str) -> Image.Exif:
    exif = Image.Exif()
    exif[_DESCRIPTION] = f"prompt:{text.encode('ascii', 'replace').decode()}"
    return exif
