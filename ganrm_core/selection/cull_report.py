"""HTML report of a culled folder: every group of similar pictures, the best first."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from ..reports.html_page import Report, Section
from ..reports.report_data import file_name
from ..reports.score_format import score_text
from ..utils.progress import Progress, ProgressCallback, no_progress
from .culling import groups_of_several, the_rest
from .folder_results import FolderSelection, Row
from .selection_sheet import picture_of

MOST_GROUPS, MOST_PICTURES = 100, 12
"""Drawn at most, of the whole and of each group: the page stays one that a browser opens."""
_THUMBNAIL = 400


def cull_report(selection: FolderSelection, title: str, progress: ProgressCallback = no_progress) -> Report:
    """One section for each group of several pictures, the largest first; the others are counted."""
    groups = sorted(groups_of_several(selection).groups, key=lambda group: -len(group))
    shown = [sorted(group, key=_rank)[:MOST_PICTURES] for group in groups[:MOST_GROUPS]]
    total, done = sum(map(len, shown)), 0
    sections = []
    for group, members in zip(groups, shown, strict=False):
        images = []
        for row in members:
            images.append(_thumbnail(row))
            done += 1
            progress(Progress("drawing the report", done, total))
        left = len(group) - len(members)
        sections.append(
            Section(
                f"Group {group[0].group + 1}",
                f"{len(group)} pictures."
                + (f" {left} more, all with lower scores, are not shown." if left else ""),
                images,
                layout="thumbnails",
            )
        )
    return Report(title, lead(selection), _facts(selection), sections, warnings=_cut(groups))


def lead(selection: FolderSelection) -> str:
    """What was found, in a sentence or two."""
    rest, groups = the_rest(selection), groups_of_several(selection).groups
    if not groups:
        return f"None of the {len(selection.rows)} pictures is like another: all are kept."
    others = (
        "The other is like one of them, and scores lower."
        if len(rest) == 1
        else f"The other {len(rest)} are like one of them, and score lower."
    )
    return f"{len(selection.kept)} of {len(selection.rows)} pictures are kept. {others}"


def _facts(selection: FolderSelection) -> list[tuple[str, str]]:
    groups = groups_of_several(selection).groups
    return [
        ("Pictures", f"{len(selection.rows):,}"),
        ("Groups of several", f"{len(groups):,}"),
        ("Like no other", f"{len(selection.groups) - len(groups):,}"),
        ("Kept", f"{len(selection.kept):,}"),
        ("Not kept", f"{len(the_rest(selection)):,}"),
    ]


def _cut(groups: list[list[Row]]) -> list[str]:
    if len(groups) <= MOST_GROUPS:
        return []
    return [
        f"Only the {MOST_GROUPS} largest of {len(groups)} groups are shown. The table (--csv) has all of them."
    ]


def _thumbnail(row: Row) -> tuple[Image.Image, str]:
    picture, missing = picture_of(row, _THUMBNAIL)
    kept = "kept · " if row.kept else ""
    caption = f"{kept}{score_text(row.score)}\n{file_name(Path(row.path))}"
    return picture, f"{caption}\nNo picture: {missing}" if missing else caption


def _rank(row: Row) -> int:
    return row.rank
