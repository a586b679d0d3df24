"""Fuzz cases of picture files, and what must hold when one is read."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from random import Random

import torch
from torch import Tensor

from ganrm_core.data.image_folder import find_images
from ganrm_core.data.image_io import read_image
from ganrm_core.data.image_metadata import read_metadata
from ganrm_core.data.near_duplicates import signature
from ganrm_core.data.skipped_files import Skipped, describe_skipped
from ganrm_core.leakage.forensics.file_stats import file_stats
from ganrm_core.leakage.forensics.image_headers import read_header
from ganrm_core.rewards.discriminator.reward_model import RewardModel

from .clear_messages import tried
from .container_mutations import mutations_for
from .heard_output import heard
from .mutation import Case, mutated, splice
from .picture_seeds import is_read, picture_seeds

_REFUSED_ANYWAY = 0.1
"""Share of the cases that are of formats which are not read."""


def picture_case(number: int) -> Case:
    """Case `number`: always the same bytes, with the same version of Pillow."""
    random = Random(f"picture {number}")
    seeds = picture_seeds()
    refused = random.random() < _REFUSED_ANYWAY
    name = random.choice([name for name in seeds if is_read(name) != refused])
    other = random.choice(list(seeds))
    mutations = (*mutations_for(seeds[name]), splice(seeds[other], other))
    content, done = mutated(seeds[name], mutations, random)
    kept = random.random() < 0.9
    return Case(number, f"{number:06}{Path(name if kept else other).suffix}", content, (name, *done))


def picture_faults(path: Path) -> tuple[str, list[str]]:
    """How reading `path` ended ("read" or "refused"), and what was wrong with that.

    Pixels, header and our own metadata are each read as the library's callers do.
    """
    faults: list[str] = []
    with heard() as said:
        image = tried("read_image", lambda: read_image(path), path, faults)
        if image is not None and not _is_picture(image):
            faults.append(f"read_image: {image.dtype} {tuple(image.shape)}")
        elif image is not None:
            faults += _faults_of_what_is_found(path, image)
        tried("read_header", lambda: read_header(path), path, faults)
        about = tried("read_metadata", lambda: read_metadata(path), path, faults)
        if not isinstance(about, dict | None):
            faults.append(f"read_metadata: {type(about).__name__}")
    return "refused" if image is None else "read", faults + said


def folder_faults(folder: Path, model: RewardModel) -> tuple[int, list[str]]:
    """How many pictures of `folder` were scored, and what was wrong with finding and scoring them."""
    faults: list[str] = []
    skipped: list[Skipped] = []
    scored: list[Path] = []
    with heard() as said:
        paths = find_images(folder)
        try:
            for path, scores in model.score_files(paths, skipped):
                scored.append(path)
                if not all(math.isfinite(float(v)) for v in (scores.logit, scores.score, scores.uncertainty)):
                    faults.append(f"{path.name}: {scores}")
        except Exception as error:  # nothing may come out of it
            faults.append(f"score_files: {type(error).__name__}: {error}")
    left_out = {entry.path: entry.reason for entry in skipped}
    if scored != [path for path in paths if path not in left_out] or len(scored) + len(skipped) != len(paths):
        faults.append(f"{len(scored)} scored and {len(skipped)} skipped of {len(paths)}, or in another order")
    faults += [
        f"{p.name}: {why!r}" for p, why in left_out.items() if not why.strip() or not why.isprintable()
    ]
    if not describe_skipped(skipped).isprintable():
        faults.append(f"describe_skipped: {describe_skipped(skipped)!r}")
    return len(scored), faults + said


def _faults_of_what_is_found(path: Path, image: Tensor) -> Iterator[str]:
    faults: list[str] = []
    facts = tried("file_stats", lambda: file_stats(path, image), path, faults)
    if facts is not None:
        tried("numbers of file_stats", lambda: json.dumps(asdict(facts), allow_nan=False), path, faults)
    yield from faults
    if not math.isclose(float((signature(image) ** 2).sum()), 1, abs_tol=1e-3):
        yield "signature: no unit vector"


def _is_picture(image: Tensor) -> bool:
    return image.dtype == torch.uint8 and image.ndim == 3 and image.shape[0] == 3 and 0 not in image.shape
