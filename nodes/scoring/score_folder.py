"""Node "Score Folder": rank the pictures of a folder and place the best into a new one."""

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
from ...ganrm_core.selection.folder import FolderSettings, rank_files
from ...ganrm_core.selection.folder_results import FolderSelection
from ...ganrm_core.selection.output_folder import whole_folder
from ...ganrm_core.selection.placement import place_selection
from ...ganrm_core.selection.selection_sheet import picture_of
from ...ganrm_core.utils.progress import Progress, ProgressCallback
from ..display.empty_outputs import blocked
from ..display.given_prompts import prompts_input
from ..display.previews import as_image, in_node
from ..display.queue_checks import check_choice, known
from ..display.ranked_sheets import MOST, below_minimum_text, score_range_text, thumbnail_size
from ..display.shared_inputs import output, reward_input
from ..files.chosen_folders import pictures_in
from ..host import folders
from ..host.fingerprints import folder_fingerprint
from ..host.progress import progress_bar
from ..sockets import CATEGORY, Schema, advanced, aliases
from .folder_files import PROMPTS_RULE, free_output, name_below, prompt_source

_MODES = ("copy", "link")
_WHAT = "way to place files"


class ScoreFolder(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return Schema(
            node_id="GANRMScoreFolder",
            display_name="Score Folder (GAN-RM)",
            search_aliases=aliases(
                "rate rating judge rank sort filter cull curate compare pick 打分 筛选",
                "score folder",
                "sort images",
                "rank images",
                "filter images",
                "cull images",
                "aesthetic score",
            ),
            category=CATEGORY,
            description="Scores every picture of a folder and copies the best ones into a new folder. However many "
            "there are, they are read one after another.",
            is_output_node=True,
            inputs=[
                io.Combo.Input(
                    "folder",
                    options=folders.folder_choices(),
                    tooltip="The pictures to score. New folders appear after pressing R on the page.",
                ),
                reward_input(),
                io.Int.Input(
                    "keep",
                    default=10,
                    min=0,
                    max=1_000_000,
                    tooltip="How many of the best are copied. 0 copies none and only scores.",
                ),
                io.String.Input(
                    "save_to",
                    display_name="save to",
                    default="best",
                    tooltip="A new folder below output for the copies. One that is taken is never touched: best "
                    "becomes best (2).",
                ),
                advanced(
                    io.Boolean.Input(
                        "recursive",
                        display_name="include subfolders",
                        default=True,
                        tooltip="Also score the pictures in folders inside this one. What this node saved there "
                        "earlier is left out.",
                    )
                ),
                advanced(
                    io.Float.Input(
                        "min_score",
                        display_name="minimum score",
                        default=0.0,
                        min=0.0,
                        max=1.0,
                        step=0.01,
                        round=0.001,
                        tooltip="Only pictures with at least this score are copied. 0 switches it off.",
                    )
                ),
                advanced(
                    io.Combo.Input(
                        "place",
                        options=list(_MODES),
                        default="copy",
                        tooltip="Copy the best, or link to them, which takes no space. Your own files always stay "
                        "where they are.",
                    )
                ),
                prompts_input(PROMPTS_RULE),
            ],
            outputs=[
                output(io.String, "table", "Every picture with its rank and score as CSV text, best first."),
                output(
                    io.String,
                    "best_folder",
                    "Where the copies are, named as in the list of Image Folder (press R there to see it). "
                    "Empty where nothing was copied: what hangs on it is then skipped.",
                ),
                output(
                    io.Image,
                    "preview",
                    "The best pictures ranked, each with its score; those copied have a gold frame.",
                ),
                output(io.String, "summary", "What was found and copied, in words."),
            ],
        )

    @classmethod
    def validate_inputs(
        cls,
        folder: str | None = None,
        keep: int | None = None,
        save_to: str | None = None,
        recursive: bool | None = None,
        place: str | None = None,
    ) -> bool:
        if folder is not None:  # else it comes over a link
            pictures_in(folder, known(recursive, True))
        if keep:
            check_choice(known(place, _MODES[0]), _MODES, _WHAT)
            if save_to is not None:
                free_output(save_to)
        return True

    @classmethod
    def fingerprint_inputs(
        cls,
        folder: str | None = None,
        reward: None = None,  # noqa: ARG003
        keep: int | None = None,  # noqa: ARG003
        save_to: str | None = None,  # noqa: ARG003
        recursive: bool | None = None,
        min_score: float | None = None,  # noqa: ARG003
        place: str | None = None,  # noqa: ARG003
        prompts: None = None,  # noqa: ARG003
    ) -> str:
        return folder_fingerprint(folder, bool(recursive))

    @classmethod
    def execute(  # type: ignore[override]
        cls,
        folder: str,
        reward: Reward,
        keep: int = 10,
        save_to: str = "best",
        recursive: bool = True,
        min_score: float = 0.0,
        place: Literal["copy", "link"] = "copy",
        prompts: Any = None,
    ) -> io.NodeOutput:
        home = folders.resolve_folder(folder)
        left_out: list[str] = []
        files = pictures_in(folder, recursive, left_out.append)
        prompt_of = prompt_source(reward, prompts, files)
        settings, new_folder = None, None
        if keep:
            settings = FolderSettings(keep, min_score=min_score or None)
            check_choice(place, _MODES, _WHAT)
            new_folder = free_output(save_to)
        progress = progress_bar()
        selection = rank_files(reward, files, settings, prompt_of=prompt_of, progress=progress)
        with whole_folder(new_folder) if new_folder and selection.kept else nullcontext() as new:
            if new:
                # Without a contact sheet: among the copies it would be used as a training picture.
                selection = place_selection(selection, new.staging, place, progress, sheet=False)
            warning = _nothing_kept(selection, keep, min_score)
            sheet = _sheet(selection, reward, warning, chosen=bool(keep), progress=progress)
        saved_to = new.target if new else None
        summary = _summary(selection, reward, keep, warning, saved_to, left_out)
        best = [name_below(home, row.path) for row in selection.kept]
        return io.NodeOutput(
            _table(selection, home),
            folders.shown_name(saved_to) if saved_to else blocked(),
            as_image(sheet),
            summary,
            ui=in_node(
                sheet,
                best=best,
                best_scores=[row.score for row in selection.kept],
                best_folder=[folders.shown_name(saved_to)] if saved_to else [],
                summary=[summary],
            ),
        )


def _sheet(
    selection: FolderSelection, reward: Reward, warning: str, *, chosen: bool, progress: ProgressCallback
) -> Image.Image:
    """The contact sheet of the best, read again one by one; it counts the others but does not show them."""
    best = set(sorted(range(len(selection.rows)), key=lambda i: selection.rows[i].rank)[:MOST])
    nothing = Image.new("RGB", (1, 1))
    entries: list[Ranked] = []
    drawn = 0
    for position, row in enumerate(selection.rows):
        picture = nothing
        if position in best:
            picture, _ = picture_of(row, thumbnail_size(len(best)))
            drawn += 1
            progress(Progress("drawing the best", drawn, len(best)))
        kept = row.kept if chosen else None
        entries.append(Ranked(picture, position + 1, row.rank, row.score, kept=kept))
    return ranked_sheet(entries, thresholds=reward.thresholds, model=reward.name, most=MOST, warning=warning)


def _table(selection: FolderSelection, home: Path) -> str:
    """The score table as CSV: best first, then the files skipped; `number` is that on the sheet."""
    numbered = [(row, number) for number, row in enumerate(selection.rows, start=1)]
    text = text_io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["file", "rank", "score", "kept", "number", "skipped"])
    reasons = {entry.path: entry.reason for entry in selection.skipped}
    for row, number in sorted(numbered, key=lambda entry: entry[0].rank):
        name, reason = name_below(home, row.path), reasons.pop(row.path, "")
        table.writerow([name, row.rank, f"{row.score:.6f}", int(row.kept), number, reason])
    for path, reason in reasons.items():
        table.writerow([name_below(home, path), "", "", 0, "", reason])
    return text.getvalue()


def _nothing_kept(selection: FolderSelection, keep: int, min_score: float) -> str:
    """A warning where no picture reached the minimum score, or ""."""
    if not keep or selection.kept:
        return ""
    scores = [row.score for row in selection.rows]
    return f"{below_minimum_text(max(scores), min_score, len(scores))}, or set it to 0."


def _summary(
    selection: FolderSelection,
    reward: Reward,
    keep: int,
    warning: str,
    saved_to: Path | None,
    left_out: Sequence[str],
) -> str:
    """Counts, the range of scores, and what was skipped or left out."""
    scores = [row.score for row in selection.rows]
    count = f"{len(scores)} pictures" if len(scores) > 1 else "1 picture"
    if saved_to is not None:
        done = f"{count}, {len(selection.kept)} kept in {folders.shown_name(saved_to)}"
    elif not keep:
        done = f"{count} scored, none copied (keep is 0)"
    else:
        done = f"{count}, none copied · {warning}"
    score_range = score_range_text(scores, reward.thresholds, reward.name)
    skipped = describe_skipped(selection.skipped, among=[row.path for row in selection.rows])
    return " · ".join(part for part in (done, score_range, skipped, *left_out) if part)
