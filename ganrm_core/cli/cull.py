"""`ganrm cull`: keep the best of every burst and of every set of near-duplicates."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .arguments import MODEL_HELP, Subparsers, add_json, add_loading, add_recursive, given_model, load_model
from .cull_table import print_culled
from .output import print_facts, print_json, print_skipped, warn, warn_skipped
from .output_paths import check_suffix, empty_folders_removed, prepare_empty, warn_renamed
from .progress_bars import bars
from .prompts import add_prompts, prompt_source

if TYPE_CHECKING:
    from ..selection.folder_results import FolderSelection


def add_parser(commands: Subparsers) -> None:
    parser = commands.add_parser(
        "cull",
        help="keep the best of every burst in a folder",
        description="Group the pictures of a folder that are nearly the same, and find the best of each group. Pictures like "
        "no other are kept. Nothing is copied or moved unless --output or --move-rest says so.",
    )
    parser.add_argument("model", type=given_model, metavar="MODEL", nargs="?", help=MODEL_HELP)
    parser.add_argument("folder", type=Path, metavar="DIR", nargs="?", help="the pictures")
    parser.add_argument(
        "--alike",
        choices=("bursts", "copies"),
        default="bursts",
        help="bursts: also shots of one scene a moment apart (default); copies: only versions of one picture, re-saved, "
        "resized, relit or slightly cropped",
    )
    parser.add_argument(
        "--within",
        type=int,
        default=0,
        metavar="N",
        help="only pictures at most N files apart in name order can be alike, as in a camera's burst (default 0: any)",
    )
    parser.add_argument("--keep", type=int, default=1, metavar="K", help="how many of each group (default 1)")
    parser.add_argument(
        "--output",
        type=Path,
        metavar="DIR",
        help="a new or empty folder to copy what is kept to, with scores.csv",
    )
    parser.add_argument(
        "--move-rest",
        type=Path,
        metavar="DIR",
        help="a new or empty folder to move the others to, with moved.csv, which says what was where",
    )
    parser.add_argument(
        "--undo", type=Path, metavar="FILE", help="move everything in this moved.csv back, and stop"
    )
    parser.add_argument(
        "--report", type=Path, metavar="FILE", help="write a page that shows the groups, as HTML"
    )
    add_recursive(parser)
    add_prompts(parser)
    add_loading(parser)
    form = parser.add_mutually_exclusive_group()
    add_json(form, "print one line of JSON for every picture, group after group, and for every file skipped")
    form.add_argument("--csv", action="store_true", help="the same as comma-separated values with a header")
    parser.set_defaults(
        run=run,
        on_interrupt="No picture was lost; moved.csv in the --move-rest folder, if there, says what was moved, and "
        "--undo moves it back.",
    )


def run(options: argparse.Namespace) -> int:
    from ..selection.cull_report import cull_report
    from ..selection.culling import CullSettings, cull_files
    from ..selection.folder import find_candidates

    if options.undo:
        return _undo(options)
    _check(options)
    settings = CullSettings(options.alike, options.keep, options.within)
    targets = [folder for folder in (options.output, options.move_rest) if folder]
    with empty_folders_removed(*targets):
        prepare_empty(*targets)  # first: it may bring candidates back
        files = find_candidates(options.folder, *targets, recursive=options.recursive, say=warn)
        prompt_of = prompt_source(options, files)
        model = load_model(options)
        with bars() as progress:
            found = cull_files(model, files, settings, prompt_of=prompt_of, progress=progress)
            if options.report:
                from ..reports.html_report import write_report

                write_report(
                    options.report, cull_report(found, f"{options.folder.absolute().name}, culled", progress)
                )
            found, moved_to = _placed(found, options, progress)
    warn_skipped(found.skipped, files, "what --json and --csv print")
    print_culled(found, moved_to, options)
    return 0


def _check(options: argparse.Namespace) -> None:
    """Raises what would otherwise only come to light after the scoring."""
    from ..reports.html_report import check_report_packages
    from ..utils.errors import DataError
    from ..utils.files import check_new_file

    if options.model is None or options.folder is None:
        raise DataError(
            "Give a model and a folder: ganrm cull MODEL DIR. To undo a move: ganrm cull --undo FILE."
        )
    if options.output and options.move_rest and options.output.resolve() == options.move_rest.resolve():
        raise DataError("--output and --move-rest are the same folder. Give two.")
    if options.report:
        check_suffix(options.report, "report", ".html")
        check_report_packages()
        check_new_file(options.report, what="the report")


def _placed(
    found: FolderSelection, options: argparse.Namespace, progress: Any
) -> tuple[FolderSelection, Mapping[Path, Path]]:
    """Copy and move what the options say. The selection as placed, and where each moved file is now."""
    from dataclasses import replace

    from ..data.selection_table import SHEET
    from ..selection.culling import groups_of_several, the_rest
    from ..selection.moved_files import Moved, move_away
    from ..selection.placement import place_selection
    from ..selection.selection_sheet import write_sheet

    rest = the_rest(found)  # before: a file that cannot be copied must not be moved
    moves: list[Moved] = []

    def finish(placed: FolderSelection) -> None:
        if placed.folder and (several := groups_of_several(placed)).rows:
            write_sheet(placed.folder / SHEET, several, progress)
        if options.move_rest and rest:
            moves.append(move_away(rest, options.move_rest, progress))

    if options.output:
        found = place_selection(found, options.output, "copy", progress, sheet=False, then=finish)
        warn_renamed(options.output, found.folder or options.output)
    else:
        finish(found)
    if not moves:
        return found, {}
    (moved,) = moves
    warn_renamed(options.move_rest, moved.folder)
    return replace(found, skipped=[*found.skipped, *moved.skipped]), moved.targets


def _undo(options: argparse.Namespace) -> int:
    from ..selection.moved_files import move_back

    if options.model is not None:
        from ..utils.errors import DataError

        raise DataError("--undo takes the list of moved files alone: ganrm cull --undo FILE.")
    with bars() as progress:
        result = move_back(options.undo, progress)
    if options.json:
        for name, paths in (("back", result.back), ("there", result.there)):
            for path in paths:
                print_json({"file": str(path), "moved": name == "back"})
        print_skipped(result.skipped)
    else:
        there = f", {len(result.there)} were there already" if result.there else ""
        print_facts(("moved back", f"{len(result.back)} pictures{there}"))
    warn_skipped(result.skipped, [entry.path for entry in result.skipped], "what --json prints")
    return 2 if result.skipped else 0
