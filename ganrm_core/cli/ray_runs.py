"""`ganrm score` and `ganrm best` on a Ray cluster: results as Parquet shards, and a stopped run goes on."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from .engine import cluster_settings
from .given_paths import expanded
from .output import print_facts, print_json, warn
from .prompts import given_prompt
from .rate_line import rate_line

if TYPE_CHECKING:
    from ..distributed.listing import Source
    from ..distributed.scoring import RunResult, ScoringJob
    from ..selection.folder import FolderSettings

SHARD_SIZE = 1000
_GOES_ON = "What is finished is kept: the same command goes on from there."


def score_on_ray(options: argparse.Namespace) -> int:
    from ..distributed.cluster import connected
    from ..utils.errors import DataError

    if options.output is None:
        raise DataError("With --engine ray give --output, a folder or URL for the scores.")
    if options.csv:
        raise DataError("With --engine ray the scores are written as Parquet, not CSV. Leave out --csv.")
    if options.write_ratings:
        raise DataError(
            "With --engine ray nothing is written beside the pictures. Leave out --write-ratings."
        )
    options.on_interrupt = _GOES_ON
    job = _job(options, list(options.paths), None)
    with connected(job.cluster) as ray, rate_line() as progress:
        _begin(job)
        result = job.run(ray, progress)
    _report(options, result)
    return 2 if result.errors == result.pictures else 0


def best_on_ray(options: argparse.Namespace, settings: FolderSettings) -> int:
    from ..distributed.best import check_selection, select_best_of_run
    from ..distributed.cluster import connected
    from ..utils.errors import DataError

    check_selection(settings)
    if options.mode is not None:
        raise DataError(
            f"With --engine ray the best are listed in a table, and no picture is placed: leave out --{options.mode}."
        )
    options.on_interrupt = _GOES_ON
    job = _job(options, [options.folder], settings.group_by)
    with connected(job.cluster) as ray, rate_line() as progress:
        _begin(job)
        result = job.run(ray, progress)
        kept = select_best_of_run(ray, job.place, settings)
    if not kept and settings.min_score is None:
        raise DataError(f"No picture could be scored. Why is in {options.output}/scores, column error.")
    _report(options, result, kept)
    return 0


def _job(options: argparse.Namespace, paths: list[Path | str], group_by: str | None) -> ScoringJob:
    """The job that the options describe; nothing is written yet."""
    from ..distributed.run_folder import RunSettings
    from ..distributed.scoring import ScoringJob
    from ..distributed.shipped_model import ShippedModel
    from ..distributed.storage import Folder

    cluster = cluster_settings(options)
    sources, prompt = _sources(options, paths), given_prompt(options)
    model = ShippedModel.of(options.model, options.backbone, tuple(options.backbones))
    settings = RunSettings(model.sha256, sources, options.shard_size or SHARD_SIZE, group_by, prompt)
    return ScoringJob(Folder(str(options.output)).place, settings, model, cluster)


def _begin(job: ScoringJob) -> None:
    from ..distributed.run_folder import RunFolder

    if RunFolder(job.place).begin(job.settings):
        warn(f"{job.place} holds a part of this run already; what is finished is not done again.")


def _sources(options: argparse.Namespace, paths: list[Path | str]) -> tuple[Source, ...]:
    from ..distributed.listing import sources_of
    from ..utils.errors import DataError

    if options.prompts is not None:
        raise DataError(
            "--prompts names files in an order, which a run over many machines does not have. Give --prompt, or leave it "
            "out: the prompts stored in the files are then used."
        )
    places: list[Path | str] = []
    for path in paths:
        places += [path] if isinstance(path, str) else expanded(path)
    return sources_of(places, options.recursive)


def _report(options: argparse.Namespace, result: RunResult, kept: int | None = None) -> None:
    """`kept`: rows that `ganrm best` has kept."""
    if options.json:
        print_json(
            {
                "pictures": result.pictures,
                "earlier": result.earlier,
                "errors": result.errors,
                **({} if kept is None else {"kept": kept}),
                "written": str(options.output),
            }
        )
        return
    now = f"{result.pictures - result.earlier:,} now, {result.earlier:,} earlier" if result.earlier else ""
    print_facts(
        ("pictures", f"{result.pictures:,}{f' ({now})' if now else ''}"),
        *(
            [("no score", f"{result.errors:,}{' now' if now else ''}; why is in the column error")]
            if result.errors
            else []
        ),
        *([] if kept is None else [("kept", f"{kept:,} rows in {options.output}/best")]),
        ("written", f"{options.output}/scores (Parquet)"),
    )
