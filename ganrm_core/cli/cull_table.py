"""Output of `ganrm cull`: groups in words, or every picture as JSON lines or comma-separated values."""

from __future__ import annotations

import argparse
import csv
import io
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .output import print_facts, print_json, print_skipped

if TYPE_CHECKING:
    from ..selection.folder_results import FolderSelection, Row

_COLUMNS = ("file", "group", "rank", "kept", "score", "logit", "uncertainty", "kept_as", "moved_to")
_MOST_LINES = 20
_MOST_NAMES = 4


def print_culled(found: FolderSelection, moved_to: Mapping[Path, Path], options: argparse.Namespace) -> None:
    if options.json:
        for line in _lines(found, moved_to):
            print_json({**line, "kept": bool(line["kept"])})
        print_skipped(found.skipped)
        return
    if options.csv:
        _print_csv(found, moved_to)
        return
    from ..selection.close_calls import close_calls_text
    from ..selection.cull_report import lead
    from ..selection.culling import groups_of_several
    from ..utils.files import shown

    groups = groups_of_several(found).groups
    for group in groups[:_MOST_LINES]:
        print(_group_line(group))
    if len(groups) > _MOST_LINES:
        print(f"… and {len(groups) - _MOST_LINES} more groups: see --csv, --json or --report")
    unclear = close_calls_text(found.close, [shown(row.path.name) for row in found.rows])
    print_facts(
        ("kept", lead(found)),
        *([("close", unclear)] if unclear else []),
        *([("copied", f"{found.folder} (pictures, scores.csv)")] if found.folder else []),
        *([("moved", _moved_text(moved_to))] if moved_to else []),
        *([("report", str(options.report))] if options.report else []),
    )


def _moved_text(moved_to: Mapping[Path, Path]) -> str:
    from ..data.selection_table import MOVED

    table = next(iter(moved_to.values())).with_name(MOVED)
    return f"{len(moved_to)} pictures; to undo: ganrm cull --undo {table}"


def _group_line(group: list[Row]) -> str:
    """Such as: group 3   keep "a.png" 0.93   not "b.png" 0.71, "c.png" 0.60."""
    from ..utils.files import shown

    ranked = sorted(group, key=lambda row: row.rank)
    kept = [f"{shown(row.path.name)} {row.score:.2f}" for row in ranked if row.kept]
    rest = [f"{shown(row.path.name)} {row.score:.2f}" for row in ranked if not row.kept]
    if len(rest) > _MOST_NAMES:
        rest = [*rest[:_MOST_NAMES], f"{len(rest) - _MOST_NAMES} more"]
    others = f"   not {', '.join(rest)}" if rest else ""
    return f"group {group[0].group + 1:<5} keep {', '.join(kept)}{others}"


def _lines(found: FolderSelection, moved_to: Mapping[Path, Path]) -> Iterator[dict[str, Any]]:
    """One line of the table for each picture, group after group, each group's best first."""
    for group in found.groups:
        for row in sorted(group, key=lambda row: row.rank):
            moved = moved_to.get(row.path)
            values = (
                *(
                    str(row.path),
                    row.group + 1,
                    row.rank,
                    int(row.kept),
                    row.score,
                    row.logit,
                    row.uncertainty,
                ),
                *(str(row.kept_as) if row.kept_as else None, str(moved) if moved else None),
            )
            yield dict(zip(_COLUMNS, values, strict=True))


def _print_csv(found: FolderSelection, moved_to: Mapping[Path, Path]) -> None:
    if isinstance(sys.stdout, io.TextIOWrapper):
        # As in scores.csv: every name comes out as it is, whatever the terminal's encoding.
        sys.stdout.reconfigure(encoding="utf-8", errors="surrogateescape", newline="")
    table = csv.writer(sys.stdout)
    table.writerow([*_COLUMNS, "skipped"])
    reasons = {str(entry.path): entry.reason for entry in found.skipped}
    for line in _lines(found, moved_to):
        numbers = {name: f"{line[name]:.6f}" for name in ("score", "logit", "uncertainty")}
        table.writerow([*{**line, **numbers}.values(), reasons.pop(line["file"], "")])
    for path, reason in reasons.items():
        table.writerow([path, "", "", 0, "", "", "", "", "", reason])
