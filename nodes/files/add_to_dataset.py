"""Add to Dataset: a node that adds the images the user picks by number to a dataset folder."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from comfy_api.latest import io
from PIL import Image
from torch import Tensor

from ...ganrm_core.data.image_folder import find_images
from ...ganrm_core.reports.numbered_sheet import Numbered, drawn_numbered_sheet
from ...ganrm_core.selection.non_finite import invalid_text
from ...ganrm_core.selection.number_picks import check_numbers, picked_numbers
from ...ganrm_core.utils.errors import DataError, GanRMError, OutputError
from ...ganrm_core.utils.progress import Progress
from ..display.candidates import Candidates
from ..display.empty_outputs import blocked
from ..display.messages import not_done
from ..display.picking import pick_input, pickable
from ..display.queue_checks import single
from ..display.ranked_sheets import invalid_card
from ..display.shown_pictures import ShownPictures
from ..host import folders
from ..host.fingerprints import folder_fingerprint
from ..host.progress import progress_bar
from ..sockets import CATEGORY, Dataset, GanRMDataset, Schema, aliases
from .pixel_files import as_saved, content_name, keep_once

_THUMBNAIL = 640
_SEEN_BEFORE = "These are the pictures you saw; the seed has changed since."


class AddToDataset(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return Schema(
            node_id="GANRMAddToDataset",
            display_name="Add to Dataset (GAN-RM)",
            search_aliases=aliases(
                "favorite favourite pick select choose collect curate like 收藏 挑选",
                "pick images",
                "save favorites",
                "thumbs up",
                "like button",
            ),
            category=CATEGORY,
            description="Grows a folder of pictures you like: run, click those you like (or type their numbers into pick), "
            "run again. Nothing is ever added twice.",
            is_input_list=True,
            is_output_node=True,
            hidden=[io.Hidden.prompt, io.Hidden.unique_id],
            inputs=[
                io.Image.Input(
                    "images", lazy=True, tooltip="A batch, or a list of pictures of any sizes, to pick from."
                ),
                io.String.Input(
                    "dataset_name",
                    display_name="dataset",
                    default="my_likes",
                    tooltip="Kept in models/ganrm_datasets/<name>; output/<name> keeps it in the output folder. "
                    "Image Folder then offers it as datasets/<name>.",
                ),
                pick_input(
                    "Empty adds nothing. Numbers count for the pictures you saw when you picked, even if the seed has "
                    "changed since."
                ),
            ],
            outputs=[
                GanRMDataset.Output(
                    "dataset",
                    display_name="dataset",
                    tooltip="All pictures of the dataset by now. What hangs on it waits while there is none.",
                ),
                io.Int.Output("added", display_name="added", tooltip="How many pictures are new in it."),
                io.Int.Output(
                    "skipped", display_name="skipped", tooltip="How many picked pictures it already had."
                ),
                io.String.Output("summary", display_name="summary", tooltip="The same in words."),
            ],
        )

    @classmethod
    def validate_inputs(
        cls, dataset_name: list[str | None] | None = None, pick: list[str | None] | None = None
    ) -> bool:
        _dataset_folder(single(dataset_name, "any"))
        check_numbers(single(pick, ""))
        return True

    @classmethod
    def fingerprint_inputs(
        cls,
        images: None = None,  # noqa: ARG003
        dataset_name: list[str | None] | str | None = None,
        pick: list[str | None] | str | None = None,  # noqa: ARG003
    ) -> str:
        name = dataset_name[0] if isinstance(dataset_name, list) else dataset_name
        if name is None:
            return "linked"
        try:
            return folder_fingerprint(folders.shown_name(_dataset_folder(name)), False)
        except (GanRMError, OSError, ValueError) as error:
            return str(error)

    @classmethod
    def check_lazy_status(
        cls, images: list[Tensor | None] | None = None, pick: list[str] | None = None, **_: Any
    ) -> list[str]:
        return ShownPictures(cls.hidden, single(pick, "")).missing(images)

    @classmethod
    def execute(  # type: ignore[override]
        cls, images: list[Tensor | None], dataset_name: list[str], pick: list[str]
    ) -> io.NodeOutput:
        shown = ShownPictures(cls.hidden, pick[0])
        candidates = Candidates(shown.take(images), "each image")
        folder = _dataset_folder(dataset_name[0])
        picked = picked_numbers(pick[0], len(candidates))
        spoilt = candidates.invalid()
        # All tiles are drawn before the first file is written: an invalid image stops the whole run.
        tiles, had = _tiles(candidates, folder, set(picked), spoilt)
        outcome = _add(candidates, [position for position in picked if position not in spoilt], folder)
        paths = _pictures_in(folder)
        name = folders.shown_name(folder)
        summary, hint = _summary(name, picked, outcome, len(paths), len(candidates))
        seen = [_SEEN_BEFORE] if shown.earlier else []
        summary = " ".join([summary, *seen, *_left_out(spoilt, outcome.failed)])
        ui = pickable(
            drawn_numbered_sheet(tiles, title=summary, hint=hint),
            len(candidates),
            added=[outcome.new],
            skipped=[outcome.known],
            count=[len(paths)],
            picked=_numbers(picked),
            known=_numbers(had),
            spoilt=_numbers(sorted(spoilt)),
            failed=_numbers(outcome.failed),
            summary=[summary],
        )
        dataset = Dataset(tuple(paths), name) if paths else blocked()
        return io.NodeOutput(dataset, outcome.new, outcome.known, summary, ui=ui)


@dataclass(frozen=True)
class _Added:
    """Result of adding: the number of new images, of those already there, and the errors by position."""

    new: int
    known: int
    failed: dict[int, GanRMError]


def _dataset_folder(name: str) -> Path:
    return folders.new_folder(name, "the dataset", default="datasets")


def _tiles(
    candidates: Candidates, folder: Path, picked: set[int], spoilt: set[int]
) -> tuple[list[Numbered], list[int]]:
    """The tiles of the contact sheet, and the positions of images the dataset already has."""
    progress = progress_bar()
    tiles, had = [], []
    for position in range(len(candidates)):
        pixels = candidates.picture(position)
        if position in spoilt:
            tiles.append(Numbered(invalid_card(pixels, _THUMBNAIL), position + 1, "not added"))
        else:
            picture = as_saved(pixels, position, len(candidates))
            known = (folder / content_name(picture)).exists()
            if known:
                had.append(position)
            note = "in it" if known else "new" if position in picked else ""
            tiles.append(Numbered(_thumbnail(picture), position + 1, note, marked=position in picked))
        progress(Progress("Looking at pictures", position + 1, len(candidates)))
    return tiles, had


def _thumbnail(picture: Image.Image) -> Image.Image:
    picture.thumbnail((_THUMBNAIL, _THUMBNAIL))
    return picture


def _add(candidates: Candidates, picked: list[int], folder: Path) -> _Added:
    """Write the picked images. Raises OutputError if none of them could be written."""
    progress = progress_bar()
    added, failed = 0, dict[int, GanRMError]()
    for done, position in enumerate(picked, start=1):
        try:
            _, new = keep_once(as_saved(candidates.picture(position), position, len(candidates)), folder)
            added += new
        except OutputError as error:
            failed[position] = error
        progress(Progress("Adding pictures", done, len(picked)))
    if failed and not added:
        raise next(iter(failed.values()))
    return _Added(added, len(picked) - added - len(failed), failed)


def _left_out(spoilt: set[int], failed: Mapping[int, GanRMError]) -> list[str]:
    """Sentences that name the spoilt and the failed images."""
    sentences = [f"{invalid_text(sorted(spoilt))}."] if spoilt else []
    return [*sentences, not_done(failed, "added")] if failed else sentences


def _numbers(positions: Iterable[int]) -> list[int]:
    """Positions as numbers on the sheet, which count from 1."""
    return [position + 1 for position in positions]


def _pictures_in(folder: Path) -> list[Path]:
    """The images of a dataset; [] if it is empty or does not exist yet."""
    try:
        return find_images(folder)
    except DataError:
        if folder.exists() and not _is_listable(folder):
            raise
        return []


def _is_listable(folder: Path) -> bool:
    try:
        next(folder.iterdir(), None)
    except OSError:
        return False
    return True


def _summary(name: str, picked: list[int], outcome: _Added, total: int, shown_count: int) -> tuple[str, str]:
    """The summary, and a hint for the sheet that says what to do next."""
    images = "1 picture" if total == 1 else f"{total} pictures"
    if picked:
        already = f", {outcome.known} already there" if outcome.known else ""
        return f"{outcome.new} added to {name}{already}: {images} by now.", ""
    how = "type the numbers you like into pick, such as 1 4 7-9, and run again."
    if not total:
        return f"{name} has nothing in it yet: {how}", ""
    return f"{name} has {images}; none added.", f"To add some of these {shown_count}, {how}"
