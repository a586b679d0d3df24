"""The pack's icon for the registry: nine pictures, one of them chosen."""

from __future__ import annotations

from pathlib import Path

from PIL import Image, ImageDraw

ICON = Path(__file__).resolve().parents[1] / "docs" / "images" / "icon.png"
_SIDE, _FINER = 256, 4
_GROUND, _GOLD = "#20242c", "#f2b632"
_TILES = ("#3c4657", "#4c5a70", "#39424f", "#56657c", _GOLD, "#434e60", "#3a4453", "#4f5d73", "#404a5b")
_MARGIN, _TILE, _GAP = 30, 60, 8


def main() -> None:
    scale = _FINER
    icon = Image.new("RGBA", (_SIDE * scale, _SIDE * scale), (0, 0, 0, 0))
    draw = ImageDraw.Draw(icon)
    draw.rounded_rectangle((0, 0, _SIDE * scale - 1, _SIDE * scale - 1), 48 * scale, _GROUND)
    for number, colour in enumerate(_TILES):
        left = _MARGIN + number % 3 * (_TILE + _GAP)
        top = _MARGIN + number // 3 * (_TILE + _GAP)
        grown = 6 if colour == _GOLD else 0
        corners = (left - grown, top - grown, left + _TILE + grown, top + _TILE + grown)
        draw.rounded_rectangle([scale * each for each in corners], 10 * scale, colour)
    centre, lobe = _SIDE // 2, 12.5
    # Two circles and a point make a heart.
    for side in (-11, 11):
        box = (centre + side - lobe, centre - 20, centre + side + lobe, centre - 20 + 2 * lobe)
        draw.ellipse([scale * each for each in box], _GROUND)
    tip = ((centre - 22.5, centre - 2), (centre + 22.5, centre - 2), (centre, centre + 23))
    draw.polygon([(scale * x, scale * y) for x, y in tip], _GROUND)
    icon.resize((_SIDE, _SIDE), Image.Resampling.LANCZOS).save(ICON, optimize=True)


if __name__ == "__main__":
    main()
