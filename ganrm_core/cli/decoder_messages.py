"""Silencing the warnings and log lines of image decoders: the commands say in one line what became of a file."""

from __future__ import annotations

import logging
import warnings
from contextlib import suppress
from importlib.util import find_spec


def hush_decoders() -> None:
    """Silence Pillow's warnings and log records, and what libtiff prints, for the whole process.

    Half-broken EXIF, odd TIFF tags and cut-short strips each give several lines without the file's name,
    and the pictures are read all the same, or skipped and named.
    """
    warnings.filterwarnings("ignore", module=r"PIL\.")
    logging.getLogger("PIL").setLevel(logging.CRITICAL)
    _hush_libtiff()


def _hush_libtiff() -> None:
    # Where Pillow brings libtiff as a library of its own. Built in, it cannot be reached, and goes on printing.
    decoders = find_spec("PIL._imaging")
    # Some Pythons are built without ctypes; what is printed is then only not silenced.
    with suppress(Exception):
        import ctypes

        handle = ctypes.CDLL(str(decoders.origin if decoders else None))
        for kind in ("Error", "Warning"):
            getattr(handle, f"TIFFSet{kind}Handler")(None)
