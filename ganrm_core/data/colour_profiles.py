"""ICC colour management: conversion of embedded profiles to sRGB."""

from __future__ import annotations

import io
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from PIL import Image

from ..utils.logs import logger_of

_log = logger_of(__name__)


def in_srgb(colour: Image.Image, profile: bytes | None) -> Image.Image:
    """Convert `colour` (no alpha, 8 bits: L, RGB, CMYK, LAB…) to an RGB image in sRGB.

    A profile that is broken, or made for another kind of picture, is ignored. Raises `ValueError` or
    `OSError` for a mode that cannot be converted. May return `colour` itself.
    """
    if colour.mode == "LAB":
        if not (cms := colour_management()):
            raise ValueError("LAB cannot be converted without ImageCms")
        return _through(cms.createProfile("LAB"), colour)
    if profile and colour_management():
        # Grey pictures often carry the RGB profile of the program that saved them.
        for mode in ("L", "RGB") if colour.mode == "L" else (colour.mode,):
            effect = profile_effect(profile, mode)
            if effect == "changes":
                return _through(_profile(profile), colour.convert(mode))
            if effect == "same":
                break
    return colour if colour.mode == "RGB" else colour.convert("RGB")  # which would copy it


@lru_cache(maxsize=1)
def colour_management() -> Any:
    """Pillow's ImageCms, or None where this Pillow was built without it; logged once."""
    try:
        from PIL import ImageCms

        ImageCms.createProfile("sRGB")  # imported without its library, it fails at the first use
    except Exception as error:
        _log.warning(
            "GAN-RM: colour profiles of pictures are ignored, for this Pillow cannot use them (%s). "
            "Install it again with: pip install --force-reinstall pillow",
            error,
        )
        return None
    return ImageCms


@lru_cache(maxsize=32)
def profile_effect(profile: bytes, mode: str) -> Literal["changes", "same", "unusable"]:
    """Effect of converting pictures of this mode from `profile` to sRGB.

    Found by converting sample colours, not by the profile's name: sRGB comes under many names, and "linear sRGB" is
    another space. True sRGB is left alone, so that a picture is identical with and without its profile.
    """
    levels = np.linspace(0, 255, 9).round().astype(np.uint8)
    if mode == "RGB":
        colours = np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(1, -1, 3)
    elif mode == "L":
        colours = np.arange(256, dtype=np.uint8)[None]
    else:
        colours = np.stack([levels] * len(Image.new(mode, (1, 1)).getbands()), axis=-1)[None]
    probe = Image.fromarray(colours, mode) if mode == "CMYK" else Image.fromarray(colours)
    try:
        converted = _through(_profile(profile), probe)
    except (colour_management().PyCMSError, OSError, ValueError, TypeError):
        return "unusable"
    shift = np.abs(np.asarray(converted).astype(int) - np.asarray(probe.convert("RGB")))
    return "changes" if shift.max() > 1 else "same"


def _profile(data: bytes) -> Any:
    return colour_management().ImageCmsProfile(io.BytesIO(data))


def _through(profile: Any, picture: Image.Image) -> Image.Image:
    # Built for each picture: cheap beside decoding, and nothing is shared between threads.
    cms = colour_management()
    transform = cms.buildTransform(
        profile, cms.createProfile("sRGB"), picture.mode, "RGB", cms.Intent.PERCEPTUAL
    )
    converted: Image.Image | None = cms.applyTransform(picture, transform)
    assert converted is not None  # None only when applied in place
    return converted
