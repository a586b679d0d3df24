"""The command `ganrm`: the library's jobs without ComfyUI."""

from __future__ import annotations

import argparse
import errno
import io
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..utils.errors import GanRMError
from . import audit, best, combine, demo, evaluate, heatmap, info, refine, score, train
from .common import keep_features, warn
from .decoder_messages import hush_decoders
from .given_paths import given_path
from .streams import usable_streams

_COMMANDS = (demo, audit, train, refine, score, best, heatmap, evaluate, combine, info)

EXIT_OK, EXIT_BAD_INPUT, EXIT_INTERRUPTED = 0, 2, 130

_DESCRIPTION = """\
Train a taste model from two folders of pictures, and let it pick the best of N.

  ganrm demo                                                 see it work on real pictures
  ganrm train --liked LIKED --ordinary ORDINARY --output taste.safetensors
  ganrm score taste.safetensors outputs/                     a score for every picture
  ganrm best taste.safetensors outputs/ --keep 4 --output best/
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line. Returns 0, 2 for wrong usage or bad input, 130 for Ctrl-C.

    Standard output and standard error may be None or closed: files are written, and the code is the same.
    """
    with usable_streams():
        return _main(arguments)


def _main(arguments: Sequence[str] | None) -> int:
    code = EXIT_OK
    try:
        code = _run(arguments)
        sys.stdout.flush()
    except OSError as error:
        if error.errno not in (errno.EPIPE, errno.ENOSPC):
            raise
        # Python would try once more to flush at exit, and complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if error.errno == errno.ENOSPC:
            warn("The disk is full: what was printed is not complete. Free space.")
            return EXIT_BAD_INPUT
        # A closed pipe only means that the reader (`| head`) has enough.
    return code


def _run(arguments: Sequence[str] | None) -> int:
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A file name that cannot be shown must not cost the output.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        options = _parser().parse_args(arguments)
    except SystemExit as stop:  # argparse has printed what there is to say
        return EXIT_BAD_INPUT if stop.code else EXIT_OK
    hush_decoders()
    try:
        if "cache" in options:
            keep_features(options)
        code: int = options.run(options)
        return code
    except GanRMError as error:
        warn(str(error))
        return EXIT_BAD_INPUT
    except KeyboardInterrupt:
        warn(f"interrupted. {getattr(options, 'on_interrupt', 'Nothing was written.')}", start="\n")
        return EXIT_INTERRUPTED


class _Parser(argparse.ArgumentParser):
    """Takes every option of the type Path as `given_path` does; subcommands are of this class, too."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.register("type", Path, given_path)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="ganrm", description=_DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--version", action="version", version=f"ganrm {_version()}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in _COMMANDS:
        command.add_parser(commands)
    return parser


def _version() -> str:
    from importlib import metadata

    try:
        return metadata.version("gan-rm")
    except metadata.PackageNotFoundError:
        return "(not installed)"
