"""Contact sheet of a folder selection; the pictures are read from their files again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from ..data.image_io import read_image, to_pil
from ..reports.contact_sheet import Tile, contact_sheet, grid
from ..reports.score_format import score_text
from ..utils.errors import ImageError
from ..utils.files import atomic_file
from ..utils.progress import Progress, ProgressCallback

if TYPE_CHECKING:
    from .folder_results import FolderSelection, Row

_ROWS, _COLUMNS = 50, 8
_THUMBNAIL = 440
_NO_PICTURE = (128, 128, 128)


def write_sheet(path: Path, selection: FolderSelection, progress: ProgressCallback) -> None:
    """Draw groups as rows, best first, or a single group as a grid. Too many are cut, and the title says so."""
    rows, all_groups = selection.rows, selection.groups
    single = len(all_groups) == 1
    most = _COLUMNS * (6 if single else 1)
    groups = [sorted(group, key=_by_rank)[:most] for group in all_groups[:_ROWS]]
    total = sum(len(group) for group in groups)
    tiles: list[list[Tile]] = []
    done = 0
    for group in groups:
        tiles.append([])
        for row in group:
            tiles[-1].append(_tile(row))
            done += 1
            progress(Progress("drawing the contact sheet", done, total))
    title = f"{sum(row.kept for row in rows)} kept of {len(rows)}"
    if total < len(rows):
        cut = "all" if single else f"each of {len(groups)} out of {len(all_groups)} groups"
        title += f", the best {most} of {cut} shown"
    if single:
        sheet = grid(tiles[0], _COLUMNS, title=title)
    else:
        sheet = contact_sheet(
            tiles, title=title, row_labels=[f"group {group[0].group + 1}" for group in groups]
        )
    with atomic_file(path) as temporary:
        sheet.convert("RGB").save(temporary, quality=92)


def _tile(row: Row) -> Tile:
    picture, missing = picture_of(row, _THUMBNAIL)
    caption = (score_text(row.score), row.path.name, *([missing] if missing else []))
    return Tile(picture, caption, highlight=row.kept, badge=f"#{row.rank}")


def picture_of(row: Row, side: int) -> tuple[Image.Image, str]:
    """A candidate's picture, at most `side` pixels wide and high, and ""; or a grey one, and why it cannot be read."""
    missing = "" if row.kept_as else row.changed
    try:
        if not missing:
            picture = to_pil(read_image(row.kept_as or row.path))
            picture.thumbnail((side, side))  # now: many full-size pictures would not fit in memory
            return picture, ""
    except ImageError as error:
        missing = str(getattr(error, "reason", error))
    return Image.new("RGB", (side, side), _NO_PICTURE), missing


def _by_rank(row: Row) -> int:
    return row.rank
