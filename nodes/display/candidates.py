"""Candidates on a node's sockets: pictures or clips with their latents and masks, in batches or lists.

Candidates chosen from one batch come back as one batch; those chosen from a list come back as a list of single
pictures, or of whole clips.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Generic, Literal, TypeVar, get_args

from torch import Tensor

from ...ganrm_core.data.image_tensors import as_images
from ...ganrm_core.rewards.base import Reward, Scores
from ...ganrm_core.rewards.clips import sample_frames, score_clips
from ...ganrm_core.selection.non_finite import (
    black_like,
    check_some_finite,
    check_some_scored,
    find_invalid,
    mark_invalid,
)
from ...ganrm_core.utils.errors import DataError, ImageError
from ...ganrm_core.utils.progress import ProgressCallback
from ..host.latents import Latent as Latent
from .queue_checks import check_choice

Unit = Literal["each image", "each list item"]
UNITS: tuple[Unit, ...] = get_args(Unit)

_Item = TypeVar("_Item")


def check_unit(unit: str) -> None:
    """Raise DataError for a value that is no `Unit`."""
    check_choice(unit, UNITS, "candidate")


class Candidates:
    """The pictures or clips to choose from."""

    def __init__(self, images: Sequence[Tensor], unit: Unit) -> None:
        """`images`: tensors [B, H, W, C] of any number of channels; sizes may differ.

        Raises ImageError where there is no image, or none in an item that is a candidate.
        """
        check_unit(unit)
        self.unit = unit
        self._images = _Stack([_pictures(image, i, unit) for i, image in enumerate(images)], len, _rows)
        if len(self) == 0:
            raise ImageError("There are no images (an empty batch or list). Connect at least one image.")

    def __len__(self) -> int:
        return len(self._images.items) if self.unit == "each list item" else self._images.rows

    def invalid(self) -> set[int]:
        """The positions of candidates with NaN or infinite pixels, in any frame. Raises ImageError where all are."""
        whole = self._images.items if self.unit == "each list item" else map(self.picture, range(len(self)))
        found = find_invalid(whole)
        check_some_finite(found, len(self), "pictures" if self.unit == "each image" else "clips")
        return found

    def score(
        self, reward: Reward, progress: ProgressCallback, prompts: Sequence[str] | None = None
    ) -> Scores:
        """One entry per candidate; a clip's is the mean over at most eight evenly spaced frames.

        `prompts`: one per candidate, for a reward that needs them.

        Invalid candidates (see `selection.non_finite`) have the logit −inf and the score 0. Raises ImageError for
        pixels that cannot be scored, and where all are invalid.
        """
        invalid = self.invalid()
        frames = [self._frames(position) for position in range(len(self))]
        for position in invalid:
            frames[position] = [black_like(frame) for frame in frames[position]]
        try:
            scores = score_clips(reward, frames, progress, prompts)
        except ImageError:
            if self.unit == "each list item":
                _name_clip(frames)
            raise
        result = mark_invalid(scores, invalid)
        check_some_scored(result.logit.tolist(), result.remarks)
        return result

    def picture(self, position: int) -> Tensor:
        """The picture [H, W, C] that stands for the candidate: itself, or a clip's middle frame."""
        if self.unit == "each image":
            item, row = self._images.place(position)
            return self._images.items[item][row]  # a view: hundreds of copies would not fit in memory
        clip = self._images.items[position]
        return clip[len(clip) // 2]

    def choose(self, positions: Sequence[int]) -> list[Tensor]:
        """The candidates at `positions` with their pixels unchanged, in a batch or list as they came."""
        return self._images.choose(positions, self.unit)

    def latents(self, latents: Sequence[Latent], positions: Sequence[int]) -> list[Latent]:
        """The latents at `positions`. Raises DataError where there is not one for each candidate."""
        return self._following(_Stack(latents, _latent_rows, _take_latent), "latents", positions)

    def masks(self, masks: Sequence[Tensor], positions: Sequence[int]) -> list[Tensor]:
        """The masks at `positions`. Raises DataError where there is not one for each candidate."""
        whole = [mask.unsqueeze(0) if mask.ndim == 2 else mask for mask in masks]
        return self._following(_Stack(whole, len, _rows), "masks", positions)

    def _following(self, stack: _Stack[_Item], name: str, positions: Sequence[int]) -> list[_Item]:
        unit, count = self.unit, stack.rows
        if unit == "each list item":
            if len(stack.items) == 1 and len(self) > 1:
                unit = "each image"  # one row of the batch belongs to each clip
            else:
                count = len(stack.items)
        if count != len(self):
            what = "images" if self.unit == "each image" else "list items"
            hint = " For clips, set candidate to 'each list item'." if self.unit == "each image" else ""
            raise DataError(
                f"There are {len(self)} {what} but {count} {name}. Connect the {name} that belong to these "
                f"{what}, one for each, or none.{hint}"
            )
        return stack.choose(positions, unit)

    def _frames(self, position: int) -> list[Tensor]:
        if self.unit == "each image":
            return [self.picture(position)]
        return sample_frames(self._images.items[position])


class _Stack(Generic[_Item]):
    """A list of batches whose rows are numbered consecutively over all items."""

    def __init__(
        self,
        items: Sequence[_Item],
        rows_of: Callable[[_Item], int],
        take: Callable[[_Item, Sequence[int]], _Item],
    ) -> None:
        self.items = list(items)
        self._take = take
        self._places = [(i, row) for i, item in enumerate(self.items) for row in range(rows_of(item))]

    @property
    def rows(self) -> int:
        return len(self._places)

    def place(self, position: int) -> tuple[int, int]:
        """The item that holds the row, and the row's number in it."""
        return self._places[position]

    def row(self, position: int) -> _Item:
        item, row = self._places[position]
        return self._take(self.items[item], [row])

    def choose(self, positions: Sequence[int], unit: Unit) -> list[_Item]:
        if not positions:
            return []
        if unit == "each list item":
            return [self.items[position] for position in positions]
        if len(self.items) == 1:
            return [self._take(self.items[0], [self._places[position][1] for position in positions])]
        return [self.row(position) for position in positions]


def _pictures(image: Tensor, index: int, unit: Unit) -> Tensor:
    where = f"Item {index + 1} of the images"
    if not isinstance(image, Tensor) or image.ndim not in (3, 4):
        raise ImageError(f"{where} is no image. Connect an IMAGE output.")
    batch = image if image.ndim == 4 else image.unsqueeze(0)
    if 0 in batch.shape[1:] or (unit == "each list item" and len(batch) == 0):
        raise ImageError(f"{where} is empty: its shape is {tuple(image.shape)}. Leave it out.")
    return batch


def _name_clip(clips: Sequence[Sequence[Tensor]]) -> None:
    """Raise the error of the first clip that cannot be scored, with the clip's number."""
    for number, frames in enumerate(clips, start=1):
        try:
            as_images(frames)
        except ImageError as error:
            raise ImageError(f"Clip {number} of {len(clips)}: {error}") from error


def _rows(batch: Tensor, rows: Sequence[int]) -> Tensor:
    return batch[list(rows)]


def _latent_rows(latent: Latent) -> int:
    samples = latent.get("samples") if isinstance(latent, dict) else None
    if not isinstance(samples, Tensor):
        raise DataError(
            "The latents hold no samples that can be told apart. Connect a LATENT output such as KSampler's, or "
            "leave latents unconnected."
        )
    return len(samples)


def _take_latent(latent: Latent, rows: Sequence[int]) -> Latent:
    """Rows of a latent as core's LatentFromBatch takes them; `batch_index` keeps each row's noise for later samplers."""
    count = _latent_rows(latent)
    given = latent.get("batch_index")
    indices = range(count) if given is None or len(given) < count else given
    taken = {
        **latent,
        "samples": latent["samples"][list(rows)],
        "batch_index": [indices[row] for row in rows],
    }
    mask = latent.get("noise_mask")
    if mask is not None and mask.ndim > 2 and len(mask) > 1:
        # Core repeats a mask that is shorter than its batch; a single one applies to all rows.
        taken["noise_mask"] = mask[[row % len(mask) for row in rows]]
    return taken
