"""`ganrm best`: select the best pictures of a folder."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from .arguments import Subparsers, add_json, add_model, add_recursive, load_model
from .engine import add_engine, add_shard_size, refuse_without_ray
from .given_paths import given_place, local_path
from .output import print_facts, print_json, print_skipped, warn, warn_skipped
from .output_paths import empty_folders_removed, prepare_empty, warn_renamed
from .progress_bars import bars
from .prompts import add_prompts, prompt_source

if TYPE_CHECKING:
    from ..selection.folder import FolderSettings


def add_parser(commands: Subparsers) -> None:
    parser = commands.add_parser(
        "best",
        help="keep the best pictures of a folder",
        description="Rank the pictures of a folder inside their groups and place the best into a new folder, "
        "with scores.csv and a contact sheet. Nothing is ever overwritten.",
    )
    add_model(parser)
    parser.add_argument(
        "folder", type=given_place, metavar="DIR", help="the candidates; with --engine ray also a URL"
    )
    parser.add_argument("--keep", type=int, default=1, metavar="K", help="how many of each group (default 1)")
    parser.add_argument(
        "--output", type=given_place, required=True, metavar="DIR", help="a new or empty folder"
    )
    groups = parser.add_mutually_exclusive_group()
    groups.add_argument(
        "--group-size", type=int, metavar="N", help="every N files, in name order, are one group"
    )
    groups.add_argument(
        "--group-by",
        metavar="REGEX",
        help="files whose names agree in the first group of REGEX (or the whole match) are one group",
    )
    parser.add_argument("--min-score", type=float, metavar="S", help="keep only what reaches this score")
    parser.add_argument(
        "--min-keep", type=int, default=0, metavar="M", help="but never fewer of a group than this"
    )
    parser.add_argument(
        "--surer-first",
        action="store_true",
        help="among candidates too close to call, prefer those that the model is surer about",
    )
    add_recursive(parser)
    add_prompts(parser)
    mode = parser.add_mutually_exclusive_group()
    for name, text in (("copy", "copy the best (default)"), ("move", "move them"), ("link", "link to them")):
        mode.add_argument(f"--{name}", dest="mode", action="store_const", const=name, help=text)
    add_json(parser, "print one line of JSON for every picture kept, and for every file skipped")
    add_engine(parser)
    add_shard_size(parser)
    parser.set_defaults(
        run=run, mode=None, on_interrupt="No picture was lost; see the output folder for what is done."
    )


def selection_settings(options: argparse.Namespace) -> FolderSettings:
    """What the options say is kept. Raises DataError for values that contradict each other."""
    from ..selection.folder import FolderSettings

    return FolderSettings(
        keep=options.keep,
        group_size=options.group_size,
        group_by=options.group_by,
        min_score=options.min_score,
        min_keep=options.min_keep,
        ties="surer first" if options.surer_first else "by score",
    )


def run(options: argparse.Namespace) -> int:
    settings = selection_settings(options)
    if options.engine == "ray":
        from .ray_runs import best_on_ray

        return best_on_ray(options, settings)
    from ..selection.close_calls import close_calls_text
    from ..selection.folder import find_candidates, rank_files
    from ..selection.placement import place_selection
    from ..utils.files import shown
    from ..utils.short_names import short_names

    refuse_without_ray(options, "ray_address", "worker_cores", "shard_size")
    folder, output = local_path(options.folder), local_path(options.output)
    with empty_folders_removed(output):
        prepare_empty(output)  # first: it may bring candidates back
        files = find_candidates(folder, output, recursive=options.recursive, say=warn)
        prompt_of = prompt_source(options, files)
        model = load_model(options)
        with bars() as progress:
            ranked = rank_files(model, files, settings, prompt_of=prompt_of, progress=progress)
            result = place_selection(ranked, output, options.mode or "copy", progress)
    written = result.folder or output
    warn_renamed(output, written)
    warn_skipped(result.skipped, files, "scores.csv")
    if options.json:
        close = {result.rows[place].path for call in result.close for place in call}
        for row in result.kept:
            print_json(
                {
                    "file": str(row.path),
                    "kept_as": str(row.kept_as),
                    "rank": row.rank,
                    "score": row.score,
                    "logit": row.logit,
                    "uncertainty": row.uncertainty,
                    "clear": row.path not in close,
                }
            )
        print_skipped(result.skipped)
        return 0
    names = short_names([row.path for row in result.rows])
    unclear = close_calls_text(result.close, [shown(name) for name in names])
    print_facts(
        ("kept", f"{len(result.kept)} of {len(result.rows)} pictures from {len(result.groups)} groups"),
        ("written", f"{written} (pictures, scores.csv, contact_sheet.jpg)"),
        *([("close", unclear)] if unclear else []),
    )
    return 0
