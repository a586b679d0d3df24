"""Node "Cull Folder": group the similar pictures of a folder and place the best of each group into a new one."""

from __future__ import annotations

import csv
import io as text_io
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Literal

from comfy_api.latest import io
from PIL import Image

from ...ganrm_core.data.skipped_files import describe_skipped
from ...ganrm_core.reports.ranked_sheet import Ranked, ranked_sheet
from ...ganrm_core.rewards.base import Reward
from ...ganrm_core.selection.cull_report import lead
from ...ganrm_core.selection.culling import ALIKE, Alike, CullSettings, cull_files, groups_of_several
from ...ganrm_core.selection.folder_results import FolderSelection, Row
from ...ganrm_core.selection.output_folder import whole_folder
from ...ganrm_core.selection.placement import place_selection
from ...ganrm_core.selection.selection_sheet import picture_of
from ...ganrm_core.utils.progress import Progress, ProgressCallback
from ..display.empty_outputs import blocked
from ..display.given_prompts import prompts_input
from ..display.previews import as_image, in_node, notice_card
from ..display.queue_checks import check_choice, known
from ..display.ranked_sheets import MOST, thumbnail_size
from ..display.shared_inputs import output, reward_input
from ..files.chosen_folders import pictures_in
from ..host import folders
from ..host.fingerprints import folder_fingerprint
from ..host.progress import progress_bar
from ..sockets import CATEGORY, Schema, advanced, aliases
from .folder_files import PROMPTS_RULE, free_output, name_below, prompt_source

Place = Literal["copy", "link", "nothing"]
_PLACES: tuple[Place, ...] = ("copy", "link", "nothing")
_WHAT = "way to place files"
_MOST_OF_GROUP = 8


class CullFolder(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return Schema(
            node_id="GANRMCullFolder",
            display_name="Cull Folder (GAN-RM)",
            search_aliases=aliases(
                "cull burst duplicates similar near-duplicates dedupe sort best 连拍 去重 筛选"
            ),
            category=CATEGORY,
            description="Groups the pictures of a folder that are nearly the same and copies the best of each group, and "
            "every picture like no other, into a new folder. Your own files always stay where they are.",
            is_output_node=True,
            inputs=[
                io.Combo.Input(
                    "folder",
                    options=folders.folder_choices(),
                    tooltip="The pictures to cull. New folders appear after pressing R on the page.",
                ),
                reward_input(),
                io.Combo.Input(
                    "alike",
                    options=list(ALIKE),
                    default=ALIKE[0],
                    tooltip="What counts as nearly the same. bursts: also shots of one scene a moment apart. copies: only "
                    "versions of one picture, saved again, resized, relit or slightly cropped.",
                ),
                io.Int.Input(
                    "keep",
                    default=1,
                    min=1,
                    max=1000,
                    tooltip="How many of each group are kept.",
                ),
                io.String.Input(
                    "save_to",
                    display_name="save to",
                    default="culled",
                    tooltip="A new folder below output for the copies. One that is taken is never touched: culled "
                    "becomes culled (2).",
                ),
                io.Combo.Input(
                    "place",
                    options=list(_PLACES),
                    default=_PLACES[0],
                    tooltip="Copy what is kept, link to it, which takes no space, or place nothing and only show the groups.",
                ),
                advanced(
                    io.Boolean.Input(
                        "recursive",
                        display_name="include subfolders",
                        default=True,
                        tooltip="Also cull the pictures in folders inside this one. What was kept there earlier is left out.",
                    )
                ),
                advanced(
                    io.Int.Input(
                        "within",
                        default=0,
                        min=0,
                        max=1_000_000,
                        tooltip="Only pictures at most so many files apart in the order of their names can be alike, as in "
                        "a camera's burst. 0: any.",
                    )
                ),
                prompts_input(PROMPTS_RULE),
            ],
            outputs=[
                output(io.String, "table", "Every picture with its group, rank and score as CSV text."),
                output(
                    io.String,
                    "kept_folder",
                    "Where the copies are, named as in the list of Image Folder (press R there to see it). Empty where "
                    "nothing was placed: what hangs on it is then skipped.",
                ),
                output(io.Image, "preview", "The groups, largest first; what is kept has a gold frame."),
                output(io.String, "summary", "What was found and copied, in words."),
            ],
        )

    @classmethod
    def validate_inputs(
        cls,
        folder: str | None = None,
        alike: str | None = None,
        save_to: str | None = None,
        place: str | None = None,
        recursive: bool | None = None,
    ) -> bool:
        if folder is not None:  # else it comes over a link
            pictures_in(folder, known(recursive, True))
        check_choice(known(alike, ALIKE[0]), ALIKE, "kind of likeness")
        check_choice(known(place, _PLACES[0]), _PLACES, _WHAT)
        if save_to is not None and place != "nothing":
            free_output(save_to)
        return True

    @classmethod
    def fingerprint_inputs(
        cls,
        folder: str | None = None,
        reward: None = None,  # noqa: ARG003
        alike: str | None = None,  # noqa: ARG003
        keep: int | None = None,  # noqa: ARG003
        save_to: str | None = None,  # noqa: ARG003
        place: str | None = None,  # noqa: ARG003
        recursive: bool | None = None,
        within: int | None = None,  # noqa: ARG003
        prompts: None = None,  # noqa: ARG003
    ) -> str:
        return folder_fingerprint(folder, bool(recursive))

    @classmethod
    def execute(  # type: ignore[override]
        cls,
        folder: str,
        reward: Reward,
        alike: Alike = ALIKE[0],
        keep: int = 1,
        save_to: str = "culled",
        place: Place = "copy",
        recursive: bool = True,
        within: int = 0,
        prompts: Any = None,
    ) -> io.NodeOutput:
        home = folders.resolve_folder(folder)
        left_out: list[str] = []
        files = pictures_in(folder, recursive, left_out.append)
        prompt_of = prompt_source(reward, prompts, files)
        settings = CullSettings(alike, keep, within)
        check_choice(place, _PLACES, _WHAT)
        new_folder = None if place == "nothing" else free_output(save_to)
        progress = progress_bar()
        found = cull_files(reward, files, settings, prompt_of=prompt_of, progress=progress)
        with whole_folder(new_folder) if new_folder else nullcontext() as new:
            if new and place != "nothing":
                # Without a contact sheet: among the copies it would be used as a training picture.
                found = place_selection(found, new.staging, place, progress, sheet=False)
            sheet = _sheet(found, reward, progress)
        saved_to = new.target if new else None
        summary = _summary(found, saved_to, left_out)
        kept = [name_below(home, row.path) for row in found.kept]
        shown = folders.shown_name(saved_to) if saved_to else ""
        return io.NodeOutput(
            _table(found, home),
            shown or blocked(),
            as_image(sheet),
            summary,
            ui=in_node(sheet, kept=kept, kept_folder=[shown] if shown else [], summary=[summary]),
        )


def _sheet(found: FolderSelection, reward: Reward, progress: ProgressCallback) -> Image.Image:
    """Contact sheet of the groups with several pictures, the largest first as far as they fit."""
    numbers = {row.path: number for number, row in enumerate(found.rows, start=1)}
    shown: list[list[Row]] = []
    for group in sorted(groups_of_several(found).groups, key=lambda group: -len(group)):
        best = sorted(group, key=lambda row: row.rank)[:_MOST_OF_GROUP]
        if sum(map(len, shown)) + len(best) > MOST:
            break
        shown.append(best)
    if not shown:
        return notice_card(lead(found))
    total = sum(map(len, shown))
    entries: list[Ranked] = []
    for row in (row for group in shown for row in group):
        picture, _ = picture_of(row, thumbnail_size(total))
        entries.append(
            Ranked(picture, numbers[row.path], row.rank, row.score, group=row.group, kept=row.kept)
        )
        progress(Progress("drawing the groups", len(entries), total))
    return ranked_sheet(entries, thresholds=reward.thresholds, model=reward.name, most=MOST, note=lead(found))


def _table(found: FolderSelection, home: Path) -> str:
    """The table as CSV: group after group, each group's best first, then the files skipped."""
    text = text_io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["file", "group", "rank", "score", "kept", "number", "skipped"])
    reasons = {entry.path: entry.reason for entry in found.skipped}
    numbers = {row.path: number for number, row in enumerate(found.rows, start=1)}
    for row in (row for group in found.groups for row in sorted(group, key=lambda row: row.rank)):
        name, reason = name_below(home, row.path), reasons.pop(row.path, "")
        values = [row.group + 1, row.rank, f"{row.score:.6f}", int(row.kept), numbers[row.path]]
        table.writerow([name, *values, reason])
    for path, reason in reasons.items():
        table.writerow([name_below(home, path), "", "", "", 0, "", reason])
    return text.getvalue()


def _summary(found: FolderSelection, saved_to: Path | None, left_out: Sequence[str]) -> str:
    """Counts, where the copies are, and what was skipped or left out."""
    done = f"{len(found.kept)} copied to {folders.shown_name(saved_to)}." if saved_to else ""
    skipped = describe_skipped(found.skipped, among=[row.path for row in found.rows])
    return " ".join(part for part in (lead(found), done, skipped, *left_out) if part)
