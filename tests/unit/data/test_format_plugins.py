"""HEIC, JPEG XL and AVIF: the plug-in is loaded where it is installed, and harmless where it is broken."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image, ImageFile

from ganrm_core.data import format_plugins
from ganrm_core.data.image_io import UnreadableImageError, read_image

HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"
JXL = b"\xff\x0a" + bytes(30)
JXL_BOX = b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(20)
AVIF = b"\0\0\0\x18ftypavif\0\0\0\0mif1avif"

Install = Callable[[str, Callable[[], Any]], list[str]]


class Stand(ImageFile.ImageFile):
    """Decoder that gives one green pixel."""

    def _open(self) -> None:
        self._mode, self._size = "RGB", (1, 1)

    def load(self) -> Any:
        self.im = Image.new("RGB", (1, 1), (0, 255, 0)).im
        return Image.Image.load(self)


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """(module, function): importing the module gives what the function returns. Returns the list of imports."""
    for name in ("HEIF", "JXL", "AVIF"):
        monkeypatch.delitem(Image.OPEN, name, raising=False)
    monkeypatch.setattr(Image, "init", lambda: None)
    imported: list[str] = []
    modules: dict[str, Callable[[], Any]] = {}
    real = importlib.import_module

    def load(name: str, package: str | None = None) -> Any:
        if name not in ("pillow_heif", "pillow_jxl", "pillow_avif"):
            return real(name, package)
        imported.append(name)
        if name not in modules:
            raise ModuleNotFoundError(f"No module named '{name}'", name=name)
        return modules[name]()

    monkeypatch.setattr(importlib, "import_module", load)
    format_plugins._load.cache_clear()

    def add(name: str, make: Callable[[], Any]) -> list[str]:
        modules[name] = make
        return imported

    yield add
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
    module: str, name: str, content: bytes, install: Install, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def register() -> None:
        monkeypatch.setitem(Image.OPEN, name, (Stand, None))

    opener = lambda: SimpleNamespace(register_heif_opener=register)  # noqa: E731
    seen = install(module, opener if name == "HEIF" else register)
    register()
    assert is_read(content, tmp_path / "a")
    assert seen == []
    if name == "AVIF":  # as Pillow lists it where it was built without
        monkeypatch.setitem(Image.OPEN, name, (Stand, lambda _: "support not installed"))
    else:
        monkeypatch.delitem(Image.OPEN, name)
    assert all(is_read(content, tmp_path / "a") for _ in range(3))
    assert seen == [module]


@pytest.mark.parametrize(
    ("content", "package"),
    [(HEIC, "pillow-heif"), (JXL_BOX, "pillow-jxl-plugin"), (AVIF, "pillow-avif-plugin")],
)
def test_what_is_missing_is_named(content: bytes, package: str, install: Install, tmp_path: Path) -> None:
    with pytest.raises(UnreadableImageError, match=rf"Python package {package}\. .*pip install {package}\)"):
        is_read(content, tmp_path / "a")


@pytest.mark.parametrize(
    ("error", "named"),
    [
        (ImportError("libheif.so.1: cannot open"), "libheif"),
        (OSError("bad\nCPU"), "bad CPU"),
        (RuntimeError(), "RuntimeError"),
        (ModuleNotFoundError("No module named '_pillow_heif'", name="_pillow_heif"), "_pillow_heif"),
    ],
)
def test_a_broken_plug_in_costs_only_its_own_format(
    error: Exception, named: str, install: Install, tmp_path: Path
) -> None:
    def fail() -> None:
        raise error

    seen = install("pillow_heif", fail)
    for _ in range(2):
        with pytest.raises(
            UnreadableImageError, match=rf"installed but does not load .*{named}.*reinstall"
        ) as caught:
            is_read(HEIC, tmp_path / "a.heic")
    assert "\n" not in str(caught.value)
    assert seen == ["pillow_heif"]
    Image.new("RGB", (1, 1), (9, 8, 7)).save(tmp_path / "b.png")
    assert read_image(tmp_path / "b.png").flatten().tolist() == [9, 8, 7]
