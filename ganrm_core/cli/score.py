"""`ganrm score`: score files and folders."""

from __future__ import annotations

import argparse
import csv
import io
import os
import sys
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from .arguments import Subparsers, add_json, add_model, add_recursive, load_model
from .engine import add_engine, add_shard_size, refuse_without_ray
from .given_paths import expanded, given_place, local_path
from .output import print_json, print_skipped, warn, warn_skipped
from .prompts import add_prompts, prompt_source
from .write_ratings import RatingWriter, add_write_ratings

if TYPE_CHECKING:
    from ..data.skipped_files import Skipped


def add_parser(commands: Subparsers) -> None:
    parser = commands.add_parser(
        "score",
        help="score files and folders",
        description="Print a score for every picture, one line each, as it comes.",
    )
    add_model(parser)
    parser.add_argument(
        "paths",
        type=given_place,
        nargs="+",
        metavar="PATH",
        help="pictures and folders of pictures; with --engine ray also URLs such as s3://bucket/folder",
    )
    add_recursive(parser)
    add_prompts(parser)
    add_write_ratings(parser)
    form = parser.add_mutually_exclusive_group()
    add_json(form, "one JSON object a line: file, score, logit, uncertainty; or file, skipped (why)")
    form.add_argument("--csv", action="store_true", help="comma-separated values with a header")
    add_engine(parser)
    parser.add_argument(
        "--output",
        type=given_place,
        metavar="DIR",
        help="with ray: the folder or URL for the scores, as Parquet",
    )
    add_shard_size(parser)
    parser.set_defaults(run=run, on_interrupt="Scores printed so far are complete.")


def run(options: argparse.Namespace) -> int:
    if options.engine == "ray":
        from .ray_runs import score_on_ray

        return score_on_ray(options)
    from ..rewards.prompted_files import score_prompted_files

    refuse_without_ray(options, "ray_address", "worker_cores", "output", "shard_size")
    files = list(files_of([local_path(place) for place in options.paths], options.recursive))
    prompt_of = prompt_source(options, files)
    model = load_model(options)
    ratings = RatingWriter.of(model) if options.write_ratings else None
    skipped: list[Skipped] = []
    table = csv.writer(sys.stdout)
    if options.csv:
        if isinstance(sys.stdout, io.TextIOWrapper):
            # As in scores.csv: every name comes out as it is, whatever the terminal's encoding.
            sys.stdout.reconfigure(encoding="utf-8", errors="surrogateescape", newline="")
        table.writerow(["file", "score", "logit", "uncertainty", "skipped"])
    elif not options.json:
        print("score   logit    file")
    for path, result in score_prompted_files(model, files, skipped, prompt_of):
        score, logit, uncertainty = (float(v) for v in (result.score, result.logit, result.uncertainty))
        if options.json:
            print_json({"file": str(path), "score": score, "logit": logit, "uncertainty": uncertainty})
        elif options.csv:
            table.writerow([path, f"{score:.6f}", f"{logit:.6f}", f"{uncertainty:.6f}", ""])
        else:
            print(f"{score:.4f}  {logit:+7.3f}  {_one_line(path)}")
        if ratings is not None:
            ratings.write(path, score)
    if options.json:
        print_skipped(skipped)
    elif options.csv:
        table.writerows([entry.path, "", "", "", entry.reason] for entry in skipped)
    if ratings is not None:
        ratings.report()
    warn_skipped(skipped, files, "" if options.json or options.csv else "what --json and --csv print")
    return 2 if len(skipped) == len(files) else 0


def files_of(paths: list[Path], recursive: bool) -> Iterator[Path]:
    """The pictures that files, folders and glob patterns name. Raises DataError for a path that does not exist."""
    from ..data.image_folder import find_images
    from ..utils.errors import DataError
    from ..utils.files import shown

    for path in chain.from_iterable(map(expanded, paths)):
        if path.is_dir():
            yield from find_images(path, recursive=recursive, say=warn)
        elif os.path.lexists(path):
            yield path
        else:
            raise DataError(f"There is no file or folder {shown(path)}. Check the path.")


def _one_line(path: Path) -> str:
    text = str(path)
    return text if text.isprintable() else repr(text)
