"""The command line `ganrm`: training, scoring and selection without ComfyUI."""

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
from . import audit, best, card, combine, cull, demo, evaluate, heatmap, info, refine, score, train
from .arguments import add_verbose, cache_of
from .decoder_messages import silence_decoders
from .given_paths import given_path
from .log_lines import log_lines
from .output import warn
from .streams import usable_streams

_COMMANDS = (demo, audit, train, refine, score, best, cull, heatmap, evaluate, combine, card, info)

EXIT_OK, EXIT_BAD_INPUT, EXIT_INTERRUPTED = 0, 2, 130

_DESCRIPTION = """\
Train a taste model from two folders of pictures, and let it pick the best of N.

  ganrm demo                                                 see it work on real pictures
  ganrm train --liked LIKED --ordinary ORDINARY --output taste.safetensors
  ganrm score taste.safetensors outputs/                     a score for every picture
  ganrm best taste.safetensors outputs/ --keep 4 --output best/
  ganrm cull taste.safetensors shoot/                        the best of every burst; moves nothing unless told to
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line. Returns 0, 2 for wrong usage or bad input, 130 for Ctrl-C.

    Standard output and standard error may be None or closed; files and the code are the same.
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
        # Otherwise Python flushes again at exit, and prints an error.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if error.errno == errno.ENOSPC:
            warn("The disk is full: what was printed is not complete. Free space.")
            return EXIT_BAD_INPUT
        # A closed pipe is no error: its reader (`| head`) has enough.
    return code


def _run(arguments: Sequence[str] | None) -> int:
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A file name that cannot be encoded must not lose the output.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        options = _parser().parse_args(arguments)
    except SystemExit as stop:  # argparse has printed what there is to say
        return EXIT_BAD_INPUT if stop.code else EXIT_OK
    silence_decoders()
    try:
        with log_lines(verbose="verbose" in options), cache_of(options):
            code: int = options.run(options)
        return code
    except GanRMError as error:
        warn(str(error))
        return EXIT_BAD_INPUT
    except KeyboardInterrupt:
        warn(f"interrupted. {getattr(options, 'on_interrupt', 'Nothing was written.')}", start="\n")
        return EXIT_INTERRUPTED


class _Parser(argparse.ArgumentParser):
    """Argument parser of the program and its commands: paths as in `given_path`, and `--verbose`."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.register("type", Path, given_path)
        add_verbose(self)


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
