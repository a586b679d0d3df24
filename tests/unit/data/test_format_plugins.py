"""HEIC, JPEG XL and AVIF: the plug-in is loaded where it is installed, and harmless where it is broken."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest
from PIL import Image, ImageFile

from ganrm_core.data import format_plugins
from ganrm_core.data.image_io import UnreadableImageError, read_image

HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"
JXL = b"\xff\x0a" + bytes(30)
JXL_BOX = b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(20)
AVIF = b"\0\0\0\x18ftypavif\0\0\0\0mif1avif"


class Stand(ImageFile.ImageFile):
    """Decoder that gives one green pixel."""

    def _open(self) -> None:
        self._mode, self._size = "RGB", (1, 1)

    def load(self) -> Any:
        self.im = Image.new("RGB", (1, 1), (0, 255, 0)).im
        return Image.Image.load(self)


@pytest.fixture
def importing(monkeypatch: pytest.MonkeyPatch) -> Iterator[Mock]:
    """Stands in for `importlib.import_module`; Pillow itself knows none of the formats."""
    for name in ("HEIF", "JXL", "AVIF"):
        monkeypatch.delitem(Image.OPEN, name, raising=False)
    monkeypatch.setattr(Image, "init", lambda: None)
    stand_in = Mock()
    monkeypatch.setattr(importlib, "import_module", stand_in)
    format_plugins._load.cache_clear()
    yield stand_in
    format_plugins._load.cache_clear()


def is_read(content: bytes, path: Path) -> bool:
    path.write_bytes(content)
    return read_image(path).flatten().tolist() == [0, 255, 0]


@pytest.mark.parametrize(
    ("module", "name", "content"),
    [
        ("pillow_heif", "HEIF", HEIC),
        ("pillow_jxl", "JXL", JXL),
        ("pillow_jxl", "JXL", JXL_BOX),
        ("pillow_avif", "AVIF", AVIF),
    ],
)
def test_a_plug_in_is_loaded_once_if_pillow_was_built_without_the_format(
    module: str, name: str, content: bytes, importing: Mock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def register(_: str = "") -> None:
        monkeypatch.setitem(Image.OPEN, name, (Stand, None))

    heif = SimpleNamespace(register_heif_opener=register)
    importing.side_effect = (lambda _: heif) if name == "HEIF" else register
    register()
    assert is_read(content, tmp_path / "a")
    importing.assert_not_called()
    if name == "AVIF":  # as Pillow lists it where it was built without
        monkeypatch.setitem(Image.OPEN, name, (Stand, lambda _: "support not installed"))
    else:
        monkeypatch.delitem(Image.OPEN, name)
    assert all(is_read(content, tmp_path / "a") for _ in range(3))
    importing.assert_called_once_with(module)


@pytest.mark.parametrize(
    ("content", "package", "module"),
    [
        (HEIC, "pillow-heif", "pillow_heif"),
        (JXL_BOX, "pillow-jxl-plugin", "pillow_jxl"),
        (AVIF, "pillow-avif-plugin", "pillow_avif"),
    ],
)
def test_what_is_missing_is_named(
    content: bytes, package: str, module: str, importing: Mock, tmp_path: Path
) -> None:
    importing.side_effect = ModuleNotFoundError(name=module)
    with pytest.raises(UnreadableImageError, match=rf"Python package {package}\. .*pip install {package}\)"):
        is_read(content, tmp_path / "a")


@pytest.mark.parametrize(
    ("error", "named"),
    [
        (OSError("bad\nCPU"), "bad CPU"),
        (RuntimeError(), "RuntimeError"),
        (ModuleNotFoundError("No module named '_pillow_heif'", name="_pillow_heif"), "_pillow_heif"),
    ],
)
def test_a_broken_plug_in_costs_only_its_own_format(
    error: Exception, named: str, importing: Mock, tmp_path: Path
) -> None:
    importing.side_effect = error
    for _ in range(2):
        with pytest.raises(UnreadableImageError, match=f"installed but does not load .*{named}.*reinstall"):
            is_read(HEIC, tmp_path / "a.heic")
    importing.assert_called_once_with("pillow_heif")
    Image.new("RGB", (1, 1), (9, 8, 7)).save(tmp_path / "b.png")
    assert read_image(tmp_path / "b.png").flatten().tolist() == [9, 8, 7]
