"""A drawn sheet with the places of its pictures, so that a page can show each of them by itself."""

from __future__ import annotations

from dataclasses import dataclass

from PIL import Image


@dataclass(frozen=True)
class TilePlace:
    """Where one picture lies on a sheet: `box` is left, top, width and height in pixels of the sheet.

    `number` is the one to pick it by, from 1; `score` is as drawn, "" without one.
    """

    number: int
    box: tuple[int, int, int, int]
    score: str = ""


@dataclass(frozen=True)
class DrawnSheet:
    """An RGB sheet, and the pictures on it in reading order."""

    image: Image.Image
    tiles: tuple[TilePlace, ...]


def paste_centred(
    sheet: Image.Image, picture: Image.Image, frame: tuple[int, int, int, int]
) -> tuple[int, int, int, int]:
    """Paste a picture into the middle of a frame of left, top, width and height; the box it covers, likewise."""
    left, top, width, height = frame
    place = (left + (width - picture.width) // 2, top + (height - picture.height) // 2)
    sheet.paste(picture, place)
    return (*place, picture.width, picture.height)
