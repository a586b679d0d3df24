"""Silences warnings of image decoders (Pillow, libtiff): the commands report each skipped file in their own words."""

from __future__ import annotations

import logging
import warnings
from contextlib import suppress
from importlib.util import find_spec


def silence_decoders() -> None:
    """Silence Pillow's warnings and log records, and libtiff's messages, for the whole process.

    Broken EXIF, odd TIFF tags and truncated strips each print several lines without the file's name, though the
    picture is read all the same, or skipped and reported.
    """
    warnings.filterwarnings("ignore", module=r"PIL\.")
    logging.getLogger("PIL").setLevel(logging.CRITICAL)
    _silence_libtiff()


def _silence_libtiff() -> None:
    # Works where Pillow ships libtiff as a shared library. Statically linked, it cannot be reached.
    decoders = find_spec("PIL._imaging")
    # Some Pythons have no ctypes; then the messages are only not silenced.
    with suppress(Exception):
        import ctypes

        handle = ctypes.CDLL(str(decoders.origin if decoders else None))
        for kind in ("Error", "Warning"):
            getattr(handle, f"TIFFSet{kind}Handler")(None)
