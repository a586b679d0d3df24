"""`ganrm heatmap`: maps of a picture's weak regions and inpainting masks."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from .arguments import Subparsers, add_json, add_model, add_recursive, load_model
from .output import print_json, print_skipped, warn_skipped
from .output_paths import empty_folders_removed
from .progress_bars import bars
from .prompts import add_prompts, prompt_source
from .score import files_of

if TYPE_CHECKING:
    from torch import Tensor


def add_parser(commands: Subparsers) -> None:
    parser = commands.add_parser(
        "heatmap",
        help="show where pictures are weak",
        description="Write a map of every picture, orange where it is weaker than the rest of it and blue where it is "
        "stronger, and a mask of its weakest regions for inpainting. Nothing is ever overwritten.",
    )
    add_model(parser)
    parser.add_argument(
        "paths", type=Path, nargs="+", metavar="PATH", help="pictures and folders of pictures"
    )
    parser.add_argument("--output", type=Path, required=True, metavar="DIR", help="where the maps go")
    parser.add_argument(
        "--share",
        type=float,
        default=0.2,
        metavar="S",
        help="how much of a picture the mask covers (default 0.2)",
    )
    parser.add_argument(
        "--grow", type=int, default=8, metavar="PX", help="then grows by, all round (default 8)"
    )
    parser.add_argument("--blur", type=int, default=16, metavar="PX", help="and fades over (default 16)")
    add_recursive(parser)
    add_prompts(parser)
    add_json(parser, "one JSON object a line: file, map, mask, lowest, highest")
    parser.set_defaults(run=run, on_interrupt="What is written so far is complete.")


def run(options: argparse.Namespace) -> int:
    with empty_folders_removed(options.output):
        return _run(options)


def _run(options: argparse.Namespace) -> int:
    from ..attribution.heatmap import MaskShape, heatmap
    from ..data.image_io import read_image, to_float
    from ..data.skipped_files import Skipped, reason_of
    from ..rewards.prompted_files import prompt_needed
    from ..utils.errors import DataError, ImageError
    from ..utils.files import check_new_file, free_name
    from ..utils.progress import part_of

    if not 0 < options.share < 1:
        raise DataError(f"--share is {options.share}. Use more than 0 and less than 1, such as 0.2.")
    if options.grow < 0 or options.blur < 0:
        raise DataError("--grow and --blur are numbers of pixels: use 0 or more.")
    files = list(files_of(options.paths, options.recursive))
    prompt_of = prompt_source(options, files)
    check_new_file(free_name(options.output, "map.png"), what="the maps", make_folders=True)
    model = load_model(options)
    skipped: list[Skipped] = []
    shape = MaskShape(options.share, options.grow, options.blur)
    with bars() as show:
        for number, path in enumerate(files):
            try:
                prompt = prompt_needed(model, path, prompt_of)
                made = heatmap(
                    model, to_float(read_image(path)), shape, part_of(show, number, len(files)), prompt=prompt
                )
            except ImageError as error:
                skipped.append(Skipped(path, reason_of(error)))
                continue
            drawn = {"map": made.drawn, "mask": made.mask.expand(3, -1, -1)}
            map_file, mask_file = _write(options.output, path.stem, drawn)
            if options.json:
                print_json({
                    "file": str(path),
                    "map": str(map_file),
                    "mask": str(mask_file),
                    "lowest": float(made.logit_map.min()),
                    "highest": float(made.logit_map.max()),
                })  # fmt: skip
    warn_skipped(skipped, files, "" if options.json else "what --json prints")
    if options.json:
        print_skipped(skipped)
    else:
        print(f"{len(files) - len(skipped)} of {len(files)} pictures mapped into {options.output}")
    return 2 if len(skipped) == len(files) else 0


def _write(folder: Path, stem: str, drawn: Mapping[str, Tensor]) -> list[Path]:
    """Write images [3, H, W] in 0–1 by kind as new files `stem.kind.png` in `folder`, under one number."""
    import torch

    from ..data.image_io import to_pil
    from ..data.result_marker import marked_png
    from ..utils.file_names import fitting_name
    from ..utils.files import write_new

    contents = {
        kind: marked_png(to_pil((picture * 255).round().to(torch.uint8)), kind)
        for kind, picture in drawn.items()
    }
    return write_new(
        lambda number: {
            folder / fitting_name(folder, stem, f".{kind}{number}.png"): content
            for kind, content in contents.items()
        }
    )
