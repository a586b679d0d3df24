"""Export of groups as training sets of other trainers: which samples, under which names, with which captions.

The layouts are those that the trainers' own loaders read:
- kohya-ss/sd-scripts, library/config_util.py `generate_dreambooth_subsets_config_by_subdirs`: folders named
  <repeats>_<name>; library/train_util.py `read_caption`: the first line of a .txt beside the picture, not empty.
- Nerogar/OneTrainer, modules/dataLoader/mixin/DataLoaderText2ImageMixin.py: a .txt beside the picture; its DPO (pull
  request 1403): folders of chosen and rejected pictures with equal names and captions, found by patterns.
- huggingface/diffusers, examples/text_to_image/train_text_to_image*.py: an image folder with metadata.jsonl, columns
  file_name and text; examples/research_projects/diffusion_dpo/train_diffusion_dpo*.py: a table with the columns
  of Pick-a-Pic, jpg_0 and jpg_1 as encoded bytes, label_0 and caption.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from ..utils.errors import DataError
from .captions import caption
from .choices import Example, choose
from .groups import Groups
from .parquet import Kind

Layout = Literal["kohya", "OneTrainer", "diffusers"]
LAYOUTS: tuple[Layout, ...] = get_args(Layout)
What = Literal["best", "pairs"]
WHATS: tuple[What, ...] = get_args(What)

TABLE = "train.parquet"
"""Of preference pairs for diffusers; its name is that of the split."""
TABLE_COLUMNS: Mapping[str, Kind] = {
    "jpg_0": "bytes",
    "jpg_1": "bytes",
    "label_0": "double",
    "label_1": "double",
    "caption": "text",
}


@dataclass(frozen=True)
class ExportSettings:
    """`keep`: how many of each group. `repeats`: of kohya's folder, how often it counts in an epoch."""

    layout: Layout = "kohya"
    what: What = "best"
    keep: int = 2
    repeats: int = 10

    def __post_init__(self) -> None:
        for value, known, name in (
            (self.layout, LAYOUTS, "layout"),
            (self.what, WHATS, "choice of pictures"),
        ):
            if value not in known:
                raise DataError(f"There is no {name} {value!r}. Use one of: {', '.join(known)}.")
        if self.layout == "kohya" and self.what == "pairs":
            raise DataError(
                "kohya's sd-scripts learns from no pairs. Export the best pictures, or choose OneTrainer or diffusers."
            )
        if not 1 <= self.keep <= 1024 or not 1 <= self.repeats <= 10_000:
            raise DataError("Keep from 1 to 1024 pictures of each group, and repeat them 1 to 10,000 times.")

    @property
    def in_table(self) -> bool:
        """Whether the pictures go into `TABLE` and are no files."""
        return self.layout == "diffusers" and self.what == "pairs"


@dataclass(frozen=True)
class Export:
    """What to write: the samples in order, one caption for each, and the embeddings dropped from the captions.

    `skipped`: groups left out, since the reward gives all their pictures nearly the same score.
    """

    examples: tuple[Example, ...]
    captions: tuple[str, ...]
    dropped: int
    skipped: int


def plan_export(groups: Groups, settings: ExportSettings) -> Export:
    """The samples that training would learn from. Raises DataError where no group tells good from bad."""
    choice = choose(groups, settings.keep, settings.what == "pairs")
    # Other trainers hold out pictures themselves.
    examples = sorted((*choice.train, *choice.held_out), key=lambda each: each.group)
    found = {each.prompt: caption(groups.prompts[each.prompt]) for each in examples}
    dropped = sum(count for _, count in found.values())
    captions = tuple(found[each.prompt][0] for each in examples)
    return Export(tuple(examples), captions, dropped, choice.skipped)


def picture_name(settings: ExportSettings, number: int, name: str, *, better: bool = True) -> str:
    """Path of picture file `number` (from 0) in the export called `name`."""
    file = f"{number + 1:04}.png"
    if settings.what == "pairs":
        return f"{'chosen' if better else 'rejected'}/{file}"
    return f"{settings.repeats}_{name}/{file}" if settings.layout == "kohya" else file


def text_files(settings: ExportSettings, pictures: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Text files by path, for pictures given as (path, caption)."""
    if settings.layout == "diffusers":
        rows = ({"file_name": path, "text": text} for path, text in pictures)
        return {"metadata.jsonl": "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows)}
    # Ends with a line break: a file of no byte stops kohya.
    return {f"{path.removesuffix('.png')}.txt": f"{text}\n" for path, text in pictures}


def table_row(better: bytes, worse: bytes, text: str) -> dict[str, bytes | str | float]:
    """A row of `TABLE`; the first picture is always the better one, as its label says."""
    return {"jpg_0": better, "jpg_1": worse, "label_0": 1.0, "label_1": 0.0, "caption": text}


def how_to_use(settings: ExportSettings, folder: str) -> str:
    """What to enter in the trainer for the export in `folder`, for the summary."""
    quoted = f'"{folder}"'
    if settings.layout == "kohya":
        return f"For sd-scripts: --train_data_dir {quoted} --caption_extension .txt"
    if settings.layout == "diffusers":
        if settings.what == "pairs":
            return f"For train_diffusion_dpo.py: --dataset_name {quoted} --dataset_split_name train"
        return f"For train_text_to_image_lora.py: --train_data_dir {quoted}"
    if settings.what == "pairs":
        return f"For OneTrainer: path {quoted} with subdirectories, patterns chosen/{{}} and rejected/{{}}"
    return f"For OneTrainer: path {quoted}, prompt source from text file per sample"
