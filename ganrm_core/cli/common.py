"""What the commands share: options, bars, loading a model, and JSON lines."""

from __future__ import annotations

import argparse
import glob
import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..utils.errors import GanRMError
from ..utils.progress import Progress, ProgressCallback, no_progress

if TYPE_CHECKING:
    from ..data.skipped_files import Skipped
    from ..metrics.summary import SummaryMetrics
    from ..rewards.base import Reward

Subparsers = Any
"""What `ArgumentParser.add_subparsers` returns; argparse does not name it in public."""


MODEL_HELP = "a checkpoint made by `ganrm train`, or several by `ganrm combine`"


def add_device(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--device",
        default="auto",
        metavar="NAME",
        help="cpu, cuda, mps or auto: a GPU where there is one (default)",
    )


def add_backbones(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--backbones",
        type=Path,
        action="append",
        default=[],
        metavar="DIR",
        help="a folder to look for backbone weights in, such as ComfyUI's models/clip_vision (repeatable)",
    )


def add_model(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", type=Path, metavar="MODEL", help=MODEL_HELP)
    parser.add_argument(
        "--backbone", metavar="NAME", help="where the model's backbone is, if it is not found by itself"
    )
    add_backbones(parser)
    add_device(parser)
    add_cache(parser)


def add_cache(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--cache",
        metavar="DIR",
        help="where what the backbone makes of your files is kept, so that they are only read next time; 'off' keeps "
        "nothing (default: the environment variable GANRM_CACHE, or else the user's cache folder)",
    )


def keep_features(options: argparse.Namespace) -> None:
    """Keep what this command works out of files where the options say."""
    from ..utils.disk_cache import cache_in, keep_in, user_folder

    keep_in(cache_in(user_folder(), options.cache or ""))


def add_json(parser: argparse.ArgumentParser, what: str) -> None:
    parser.add_argument("--json", action="store_true", help=what)


def device(options: argparse.Namespace) -> str:
    """The device asked for. Raises GanRMError where it is not there."""
    import torch

    if options.device == "auto":
        if torch.cuda.is_available():
            return "cuda"
        return "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        torch.empty(0, device=options.device)
    except (RuntimeError, AssertionError) as error:
        raise GanRMError(
            f"The device {options.device!r} cannot be used ({str(error).splitlines()[0]}). Use --device cpu."
        ) from error
    return str(options.device)


def load_model(options: argparse.Namespace) -> Reward:
    """The model asked for, or the combined one where that is a recipe."""
    from ..rewards.combination_file import load_reward

    return load_reward(
        options.model, backbone=options.backbone, search_folders=options.backbones, device=device(options)
    )


def expanded(path: Path) -> list[Path]:
    """The files and folders that a pattern such as `outputs/*.png` names; [path] for one that names none.

    Windows' own shells leave that to the program. What really is called so comes first.
    """
    pattern = os.fspath(path)
    if os.path.lexists(path) or not glob.has_magic(pattern):
        return [path]
    # Not Path.glob, which takes no pattern that begins at a root.
    return [Path(found) for found in sorted(glob.glob(pattern, recursive=True))] or [path]  # noqa: PTH207


@contextmanager
def folders_taken_back(*folders: Path) -> Iterator[None]:
    """Remove the folders that are made inside, where in the end nothing lies in them."""
    absent = [part for folder in folders for part in (folder, *folder.parents) if not part.exists()]
    try:
        yield
    finally:
        for folder in absent:
            with suppress(OSError):  # not made, or not empty: it stays
                folder.rmdir()


@contextmanager
def bars() -> Iterator[ProgressCallback]:
    """A progress callback that draws one bar per stage on standard error, for as long as that takes it.

    Without tqdm there are no bars.
    """
    try:
        from tqdm import tqdm
    except Exception:
        yield no_progress
        return
    current: dict[str, Any] = {"stage": None, "bar": None}

    def show(progress: Progress) -> None:
        if progress.stage != current["stage"]:
            close()
            current["stage"] = progress.stage
            with suppress(OSError):  # such as a pipe that nobody reads from any more
                current["bar"] = tqdm(desc=progress.stage, total=progress.total or None, file=sys.stderr)
        if (bar := current["bar"]) is not None:
            with suppress(OSError):
                bar.update(progress.done - bar.n)

    def close() -> None:
        bar, current["bar"] = current["bar"], None
        if bar is not None:
            with suppress(OSError):
                bar.close()

    try:
        yield show
    finally:
        close()


def print_json(value: Mapping[str, Any]) -> None:
    print(json.dumps(value, ensure_ascii=True), flush=True)


def print_skipped(skipped: Sequence[Skipped]) -> None:
    """One line of JSON for every file left out, with the reason."""
    for entry in skipped_as_json(skipped):
        print_json(entry)


def warn_skipped(skipped: Sequence[Skipped], among: Sequence[Path], listed_in: str = "") -> None:
    """Name some of the files that were skipped, and say where all are listed. `among`: all that were read."""
    from ..data.skipped_files import NAMED, describe_skipped

    if skipped:
        rest = f" All are listed in {listed_in}." if listed_in and len(skipped) > NAMED else ""
        warn(f"{describe_skipped(skipped, among=among)}{rest}")


def skipped_as_json(skipped: Sequence[Skipped]) -> list[dict[str, str]]:
    return [{"file": str(entry.path), "skipped": entry.reason} for entry in skipped]


def print_facts(*facts: tuple[str, str]) -> None:
    """Names and values, aligned."""
    width = max(len(name) for name, _ in facts) + 2
    for name, value in facts:
        print(f"{name:<{width}}{value}")


def figures_as_json(metrics: SummaryMetrics) -> dict[str, Any]:
    """Each figure as a number, and its interval under the same name with `_ci`."""
    result: dict[str, Any] = {}
    for name in ("auc", "accuracy", "ece"):
        interval = getattr(metrics, name)
        result |= {name: interval.value, f"{name}_ci": [interval.low, interval.high]}
    return {**result, "accuracy_threshold": metrics.threshold, "ece_bound": metrics.ece_bound}


def ece_in_words(metrics: SummaryMetrics) -> str:
    return f"{metrics.ece.value:.3f}   a perfectly calibrated model stays under {metrics.ece_bound:.3f}"


def say_renamed(wanted: Path, written: Path) -> None:
    """Warn where a result lies under another name than was asked for."""
    from ..utils.files import shown

    if written != wanted:
        warn(
            f"{shown(wanted)} was taken by another program meanwhile, and nothing is ever overwritten. Written instead: "
            f"{shown(written)}."
        )


def warn(message: str, start: str = "") -> None:
    """Say something on standard error, if that takes it: no result is lost over a message."""
    with suppress(OSError):
        print(f"{start}ganrm: {message}", file=sys.stderr)
