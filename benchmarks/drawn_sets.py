"""Sets of drawings that illustrators published as npm packages: which ones, under which licence, drawn at one size.

Two sets share a subject where both drew something of that name ("hot-beverage", the country "ad"). `docs/benchmarks.md`
names every set's author and licence. Needs `resvg-py` (extra `[bench]`) and npm; packages are fetched once.
"""

from __future__ import annotations

import io
import json
import re
import tarfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeAlias

from packages import PackageError, npm_package
from PIL import Image

Drawing: TypeAlias = Callable[[], Image.Image]
"""Renders one drawing."""
CANVAS = 256
"""Longer side in pixels at which a drawing is rendered; the drawings that are pictures already have it."""

# People in several genders and skin tones, flags, digits and clock faces: one subject many times over.
_VARIANTS = re.compile(
    r"skin-tone|^flag-|^keycap|oclock|o-clock|thirty|^family|^(wo)?m[ae]n-|^couple|^kiss-|^person-"
    r"|(?<!traffic)(?<!car)-(light|medium|dark)$"
)


@dataclass(frozen=True)
class DrawnSet:
    """One package. `subject` gives a drawing's subject from its name there, or None where it is left out."""

    name: str
    package: str
    version: str
    licence: str
    author: str
    subject: Callable[[str], str | None]

    def drawings(self) -> dict[str, Drawing]:
        """Subject → the drawing, RGBA. Raises PackageError where the package cannot be had."""
        if self.package == _RENDERS:
            return _renders(self)
        icons = _json_of(self.package, self.version, "icons.json")
        found: dict[str, Drawing] = {}
        for name, icon in sorted(icons["icons"].items()):
            subject = self.subject(name)
            if subject is not None and subject not in found:
                found[subject] = lambda icon=icon: rendered(svg_of(icon, icons))  # type: ignore[misc]
        return found


def svg_of(icon: Mapping[str, Any], icons: Mapping[str, Any]) -> str:
    """One icon of an Iconify file as a whole SVG; what has no colour of its own is black."""

    def side(key: str, otherwise: float) -> float:
        return float(icon.get(key, icons.get(key, otherwise)))

    left, top, width, height = side("left", 0), side("top", 0), side("width", 16), side("height", 16)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" color="#000" '
        f'viewBox="{left:g} {top:g} {width:g} {height:g}" width="{width:g}" height="{height:g}">'
        f"{icon['body']}</svg>"
    )


def rendered(svg: str) -> Image.Image:
    """RGBA, its longer side `CANVAS` pixels."""
    try:
        import resvg_py
    except ImportError as error:
        raise PackageError(
            "Drawings are rendered with resvg-py, which is not installed: pip install resvg-py"
        ) from error
    width, height = (float(value) for value in re.findall(r'" width="([^"]+)" height="([^"]+)"', svg)[0])
    size = {"width": CANVAS} if width >= height else {"height": CANVAS}
    return Image.open(io.BytesIO(resvg_py.svg_to_bytes(svg_string=svg, skip_system_fonts=True, **size)))


def _renders(drawn: DrawnSet) -> dict[str, Drawing]:
    """Of a package of picture files named by code points; subjects are those of the same company's flat drawings."""
    names = _json_of(FLUENT_FLAT.package, FLUENT_FLAT.version, "chars.json")
    files = _files_of(drawn.package, drawn.version)
    found: dict[str, Drawing] = {}
    for points, name in sorted(names.items()):
        subject = drawn.subject(name)
        data = files.get(f"package/assets/{points}.webp") or files.get(f"package/assets/{points}-fe0f.webp")
        if subject is not None and data is not None and subject not in found:
            found[subject] = lambda data=data: Image.open(io.BytesIO(data)).convert("RGBA")  # type: ignore[misc]
    return found


def _json_of(package: str, version: str, name: str) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(_files_of(package, version)[f"package/{name}"])
    return data


@cache
def _files_of(package: str, version: str) -> dict[str, bytes]:
    found = {}
    with tarfile.open(npm_package(package, version)) as archive:
        for member in archive:
            file = archive.extractfile(member)
            if file is not None:
                found[member.name] = file.read()
    return found


def emoji(name: str) -> str | None:
    """Names of emoji sets agree but for hyphens and the number some give to a second drawing."""
    if _VARIANTS.search(name):
        return None
    return re.sub(r"[^a-z0-9]", "", re.sub(r"-1$", "", name))


def country(name: str) -> str | None:
    """The two letters of a country; flags of regions and of organisations are left out."""
    letters = name.removesuffix("-1x1")
    return letters if re.fullmatch(r"[a-z]{2}", letters) else None


def file_type(name: str) -> str | None:
    plain = name.removeprefix("file-type-").removesuffix("-alt")
    return None if name.startswith(("folder", "default")) or plain.endswith("-light") else plain


def icon(name: str) -> str | None:
    return name


_RENDERS = "@lobehub/fluent-emoji-3d"


def _set(
    name: str, version: str, licence: str, author: str, subject: Callable[[str], str | None]
) -> DrawnSet:
    return DrawnSet(name, f"@iconify-json/{name}", version, licence, author, subject)


EMOJIONE_1 = _set("emojione-v1", "1.2.3", "CC BY-SA 4.0", "Emoji One", emoji)
EMOJIONE_2 = _set("emojione", "1.2.3", "CC BY 4.0", "Emoji One", emoji)
OPENMOJI = _set("openmoji", "1.2.29", "CC BY-SA 4.0", "OpenMoji", emoji)
FLUENT_FLAT = _set("fluent-emoji-flat", "1.2.6", "MIT", "Microsoft", emoji)
FLUENT_SHADED = _set("fluent-emoji", "1.2.7", "MIT", "Microsoft", emoji)
FLUENT_3D = DrawnSet("fluent-emoji-3d", _RENDERS, "1.1.0", "MIT", "Microsoft, packed by LobeHub", emoji)
COREUI_FLAGS = _set("cif", "1.2.7", "CC0 1.0", "creativeLabs Łukasz Holeczek", country)
FLAGPACK = _set("flagpack", "1.2.8", "MIT", "Yummygum", country)
TABLER = _set("tabler", "1.2.41", "MIT", "Paweł Kuna", icon)
LUCIDE = _set("lucide", "1.2.137", "ISC", "Lucide contributors", icon)
FXEMOJI = _set("fxemoji", "1.2.2", "Apache-2.0", "Mozilla", emoji)
STREAMLINE = _set("streamline-emojis", "1.2.4", "CC BY 4.0", "Streamline", emoji)
CIRCLE_FLAGS = _set("circle-flags", "1.2.11", "MIT", "HatScripts", country)
FLAG_ICONS = _set("flag", "1.2.12", "MIT", "Panayiotis Lipiridis", country)
VSCODE = _set("vscode-icons", "1.2.97", "MIT", "Roberto Huertas", file_type)
MATERIAL_FILES = _set("material-icon-theme", "1.2.70", "MIT", "Material Extensions", file_type)
ICONOIR = _set("iconoir", "1.2.11", "MIT", "Luca Burgio", icon)
HUGEICONS = _set("hugeicons", "1.2.35", "MIT", "Hugeicons", icon)
PIXEL = _set("pixel", "1.2.2", "CC BY 4.0", "HackerNoon", icon)
PIXELARTICONS = _set("pixelarticons", "1.2.9", "MIT", "Gerrit Halfmann", icon)
