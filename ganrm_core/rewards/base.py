"""The `Reward` protocol that every scorer follows, its `Scores`, and the kinds of picture it accepts."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
from PIL import Image
from torch import Tensor

from ..data.image_io import fits_in_memory, from_pil, read_image, to_float
from ..data.image_tensors import as_image, as_images
from ..data.prompt_syntax import plain_prompt
from ..data.skipped_files import Skipped, names_and_reasons
from ..data.streaming import stream_images
from ..utils.errors import DataError, ImageError
from ..utils.progress import ProgressCallback, no_progress

Images = Any
"""Pictures in any form a caller has.

A float tensor [B, H, W, C] or [B, C, H, W] in 0–1 with 1, 3 or 4 channels, a path, or a PIL image; or a list
of pictures of different sizes, each of any of these kinds.
"""


@dataclass(frozen=True)
class Scores:
    """One entry per picture, in input order: float32 tensors [B] on the CPU.

    `logit` is unbounded, for ranking. `score` is the calibrated probability in 0–1 that the picture is a liked one.
    `uncertainty` is the standard deviation of the logit over the model's heads (0 for a single head).
    `remarks`: what the reward says about each picture in words, or none at all for a reward that says nothing.
    """

    logit: Tensor
    score: Tensor
    uncertainty: Tensor
    remarks: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.logit)

    def with_remarks_of(self, parts: Mapping[str, Scores]) -> Scores:
        """The same with what the `parts` of a combined reward say, each after its name."""
        said: list[list[str]] = [[] for _ in range(len(self))]
        for name, part in parts.items():
            for lines, remark in zip(said, part.remarks, strict=False):
                lines += [f"{name}: {remark}"] if remark else []
        remarks = tuple(map("\n".join, said))
        return Scores(self.logit, self.score, self.uncertainty, remarks if any(remarks) else ())

    def of(self, position: int) -> Scores:
        """The scores of one picture, [1] each."""
        place = slice(position, position + 1)
        return Scores(self.logit[place], self.score[place], self.uncertainty[place], self.remarks[place])


@runtime_checkable
class Reward(Protocol):
    """Anything that scores pictures. score(picture) never depends on the other pictures given."""

    @property
    def name(self) -> str:
        """Display name."""

    @property
    def thresholds(self) -> Mapping[str, float]:
        """Suggested minimum scores by name; may be empty."""

    @property
    def needs_prompt(self) -> bool:
        """Whether its scores depend on the prompt: then every picture needs one (`checked_prompts`)."""
        return False

    def score(
        self,
        images: Images,
        prompts: Sequence[str] | None = None,
        progress: ProgressCallback = no_progress,
    ) -> Scores:
        """Score pictures. `prompts`, one per picture, are ignored unless `needs_prompt`.

        Raises DataError where it needs prompts and has none. `progress` is called often; an exception it raises
        cancels and passes through.
        """

    def score_files(
        self, paths: Sequence[Path], skipped: list[Skipped], prompts: Sequence[str] | None = None
    ) -> Iterator[tuple[Path, Scores]]:
        """Score files one by one, in order, in constant memory; `prompts` as in `score`, one per path.

        Files that cannot be read are added to `skipped` and left out.
        """


def needs_prompt(reward: Reward) -> bool:
    """`Reward.needs_prompt`; False for rewards of other packs that know no such property."""
    return bool(getattr(reward, "needs_prompt", False))


def scored_files(
    reward: Reward, paths: Sequence[Path], skipped: list[Skipped], prompts: Sequence[str] | None = None
) -> Iterator[tuple[Path, Scores]]:
    """`Reward.score_files`, which is given `prompts` only where it reads them: others need not know the argument."""
    if needs_prompt(reward):
        return reward.score_files(paths, skipped, prompts)
    return reward.score_files(paths, skipped)


def checked_prompts(reward: str, prompts: Sequence[str] | None, count: int) -> list[str]:
    """The plain prompts (`plain_prompt`) of `count` pictures for the reward named `reward`, which needs them.

    Raises DataError where there are none, where their number differs, or one is empty: judging by an empty prompt would
    give a score that means nothing.
    """
    if prompts is None:
        raise DataError(
            f"{reward} judges pictures by their prompt, and there is none. In ComfyUI connect the text that the pictures "
            "were made of to the input 'prompts'; on the command line give --prompt or --prompts."
        )
    found = [plain_prompt(each) for each in ([prompts] * count if isinstance(prompts, str) else prompts)]
    if len(found) != count:
        raise DataError(
            f"{reward} judges pictures by their prompt: there are {count} pictures but {len(found)} prompts. Give one for "
            "each."
        )
    empty = [str(number) for number, prompt in enumerate(found, start=1) if not prompt]
    if empty:
        which = "The prompt is" if count == len(empty) else f"The prompt of picture {empty[0]} is"
        raise DataError(
            f"{which} empty, and {reward} judges pictures by it. Write what the picture shall show."
        )
    return found


Picture = Tensor | str | os.PathLike[str] | Image.Image
"""A single picture: float [3, H, W] in 0–1, a file, or a PIL image."""

_UNDECODED = (str, os.PathLike, Image.Image)


def how_many(images: Images) -> int:
    """Number of pictures, without decoding any."""
    return 1 if isinstance(images, _UNDECODED) else len(images)


def each_of(images: Images) -> Sequence[Picture]:
    """Pictures one by one, files and PIL images not yet decoded. Raises ImageError for an invalid tensor."""
    if isinstance(images, _UNDECODED):
        return [images]
    if isinstance(images, (list, tuple)) and any(isinstance(each, _UNDECODED) for each in images):
        count = len(images)
        return [
            each if isinstance(each, _UNDECODED) else as_image(each, index, count)
            for index, each in enumerate(images)
        ]
    return as_images(images)


def opened(picture: Picture) -> Tensor:
    """Decode to float [3, H, W] in 0–1. Raises ImageError for a file that cannot be read."""
    if isinstance(picture, Tensor):
        return picture
    if isinstance(picture, Image.Image):
        with fits_in_memory("a PIL image"):
            return to_float(from_pil(picture))
    with fits_in_memory(picture):
        return to_float(read_image(picture))


@contextmanager
def all_unreadable_named(pictures: Sequence[Picture]) -> Iterator[None]:
    """Extend an ImageError about one unreadable file to name every unreadable file of `pictures`.

    Only then are the files read a second time.
    """
    try:
        yield
    except ImageError as error:
        paths = [Path(each) for each in pictures if isinstance(each, (str, os.PathLike))]
        unreadable: list[Skipped] = []
        for _ in stream_images(paths, skipped=unreadable):
            pass
        if len(unreadable) < 2:
            raise  # it names the file already
        raise ImageError(
            f"{len(unreadable)} of {len(paths)} files cannot be read, so nothing was scored: "
            f"{names_and_reasons(unreadable, len(unreadable), paths)}. Leave them out, or use score_files, which skips "
            "such files and scores the others."
        ) from error


def joined(parts: Sequence[Scores]) -> Scores:
    """Concatenate scores."""
    return Scores(
        torch.cat([part.logit for part in parts]),
        torch.cat([part.score for part in parts]),
        torch.cat([part.uncertainty for part in parts]),
        _joined_remarks(parts),
    )


def _joined_remarks(parts: Sequence[Scores]) -> tuple[str, ...]:
    if not any(part.remarks for part in parts):
        return ()
    return tuple(remark for part in parts for remark in part.remarks or ("",) * len(part))
