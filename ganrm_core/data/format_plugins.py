"""Optional Pillow plug-ins for HEIC, JPEG XL and AVIF, loaded when a file of that format is met."""

from __future__ import annotations

import importlib
from functools import lru_cache
from typing import NamedTuple

from PIL import Image


class _Plugin(NamedTuple):
    """A package that adds a format to Pillow; `register` is called where importing is not enough."""

    pictures: str
    package: str
    module: str
    register: str = ""


_PLUGINS = {
    "HEIF": _Plugin("HEIC/HEIF", "pillow-heif", "pillow_heif", "register_heif_opener"),
    "JXL": _Plugin("JPEG XL", "pillow-jxl-plugin", "pillow_jxl"),
    "AVIF": _Plugin("AVIF", "pillow-avif-plugin", "pillow_avif"),
}
_HEIF_BRANDS = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"hevm", b"hevs", b"mif1", b"msf1")


def plugin_format(start: bytes) -> str | None:
    """Pillow's format name for a file that starts with these bytes, if it may need a plug-in."""
    brand = start[8:12] if start[4:8] == b"ftyp" else b""
    if brand in (b"avif", b"avis"):
        return "AVIF"
    if brand in _HEIF_BRANDS:
        return "HEIF"
    return "JXL" if start.startswith((b"\xff\x0a", b"\x00\x00\x00\x0cJXL ")) else None


def prepare(name: str, start: bytes) -> None:
    """Load the plug-in of a format unless Pillow itself reads it."""
    _, accept = Image.OPEN.get(name, (None, None))
    if name not in Image.OPEN or (accept is not None and isinstance(accept(start[:16]), str)):
        _load(name)


def missing_plugin(name: str) -> tuple[str, str]:
    """(reason, advice) for pictures of a format that cannot be read."""
    plugin = _PLUGINS[name]
    other = "or save as PNG or JPEG"
    reason = _load(name)
    if reason:
        return (
            f"{plugin.pictures} pictures need the Python package {plugin.package}, which is installed but "
            f"does not load ({reason})",
            f"Install it anew (pip install --force-reinstall {plugin.package}), {other}",
        )
    return (
        f"{plugin.pictures} pictures need the Python package {plugin.package}",
        f"Install it (pip install {plugin.package}) and start again, {other}",
    )


@lru_cache(maxsize=len(_PLUGINS))
def _load(name: str) -> str:
    """Import the plug-in of a format, once. Returns why loading failed; "" where it is loaded or not installed."""
    plugin = _PLUGINS[name]
    try:
        module = importlib.import_module(plugin.module)
        if plugin.register:
            getattr(module, plugin.register)()
    except Exception as error:  # a third-party package may raise anything; only its own format is lost
        absent = isinstance(error, ModuleNotFoundError) and error.name == plugin.module
        return "" if absent else " ".join(str(error).split()) or type(error).__name__
    return ""
