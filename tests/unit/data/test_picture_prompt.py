"""Prompts stored in picture files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, PngImagePlugin

from ganrm_core.data.image_metadata import write_webp
from ganrm_core.data.picture_prompt import picture_prompt
from ganrm_core.utils.errors import ImageError

GRAPH: dict[str, Any] = {
    "3": {"class_type": "KSampler", "inputs": {"seed": 1, "positive": ["6", 0], "negative": ["7", 0]}},
    "6": {
        "class_type": "CLIPTextEncode",
        "inputs": {"text": "狐狸, a red fox", "is_changed": [float("nan")]},
    },
    "7": {"class_type": "CLIPTextEncode", "inputs": {"text": "blur"}},
    "8": {"class_type": "VAEDecode", "inputs": {"samples": ["3", 0]}},
    "9": {"class_type": "SaveImage", "inputs": {"filename_prefix": "ComfyUI", "images": ["8", 0]}},
}
FOX = "狐狸, a red fox"
PARAMETERS = "a red fox,\nin snow\nNegative prompt: blur\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1"
PICTURE = Image.new("RGB", (8, 8))


def png(path: Path, **texts: str) -> Path:
    info = PngImagePlugin.PngInfo()
    for key, text in texts.items():
        info.add_text(key, text)
    PICTURE.save(path, pnginfo=info)
    return path


def with_comment(path: Path, comment: bytes) -> Path:
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x9286] = comment
    PICTURE.save(path, exif=exif)
    return path


def test_png_as_comfyui_writes_it(tmp_path: Path) -> None:
    assert picture_prompt(png(tmp_path / "a.png", prompt=json.dumps(GRAPH), workflow="{}")).text == FOX


@pytest.mark.parametrize("suffix", ["webp", "jpg"])
def test_exif_as_comfyui_writes_it(tmp_path: Path, suffix: str) -> None:
    exif = Image.Exif()
    exif[0x0110] = f"prompt:{json.dumps(GRAPH)}"
    exif[0x010F] = "workflow:{}"
    path = tmp_path / f"a.{suffix}"
    PICTURE.save(path, exif=exif)
    assert picture_prompt(path).text == FOX


def test_webp_of_our_own(tmp_path: Path) -> None:
    write_webp(PICTURE, tmp_path / "a.webp", {"prompt": json.dumps(GRAPH), "ganrm": "{}"}, 90)
    assert picture_prompt(tmp_path / "a.webp").text == FOX


def test_parameters(tmp_path: Path) -> None:
    """The graph counts first, where it tells the prompt."""
    expected = "a red fox,\nin snow"
    assert picture_prompt(png(tmp_path / "a.png", parameters=PARAMETERS)).text == expected
    assert (
        picture_prompt(png(tmp_path / "b.png", parameters=PARAMETERS, prompt=json.dumps(GRAPH))).text == FOX
    )
    assert picture_prompt(png(tmp_path / "c.png", parameters=PARAMETERS, prompt="{")).text == expected


@pytest.mark.parametrize(
    ("name", "code", "encoding"),
    [
        ("a.jpg", b"UNICODE\0", "utf-16-be"),
        ("a.webp", b"UNICODE\0", "utf-16-le"),
        ("b.jpg", b"ASCII\0\0\0", "ascii"),
    ],
)
def test_parameters_in_exif(tmp_path: Path, name: str, code: bytes, encoding: str) -> None:
    path = with_comment(tmp_path / name, code + PARAMETERS.encode(encoding))
    assert picture_prompt(path).text == "a red fox,\nin snow"


def test_why_there_is_none(tmp_path: Path) -> None:
    two = {**GRAPH, "1": {**GRAPH["3"], "inputs": {**GRAPH["3"]["inputs"], "positive": ["7", 0]}}}
    two |= {"10": {"class_type": "SaveImage", "inputs": {"filename_prefix": "x", "images": ["1", 0]}}}
    for name, texts, reason in (
        ("none.png", {}, "no prompt is stored"),
        ("cut.png", {"prompt": '{"3": '}, "no prompt is stored"),
        ("list.png", {"prompt": "[]"}, "no prompt is stored"),
        ("notes.png", {"parameters": "just a note"}, "no prompt is stored"),
        ("unknown.png", {"prompt": '{"3": {}}'}, "does not tell its prompt"),
        ("renamed.png", {"prompt": json.dumps(two)}, "several prompts"),
    ):
        found = picture_prompt(png(tmp_path / name, **texts))
        assert found.text == ""
        assert reason in found.why_none


def test_a_file_that_is_no_picture(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_text("no")
    with pytest.raises(ImageError, match=r"a\.png"):
        picture_prompt(tmp_path / "a.png")
