"""Best of N over the scores of a distributed run, by Ray's own groupby: no process holds all rows."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from ..selection.folder import FolderSettings
from ..selection.ranking import CandidateScores, select_best
from ..utils.errors import DataError
from .run_folder import RunFolder
from .storage import pyarrow_module

_BEST, _DONE = "best", "run/best.json"
_MOST_PARTITIONS, _ROWS_PER_PARTITION = 200, 10_000
"""Of the shuffle. The most are Ray's own default; small runs take fewer, since each partition is a task."""


def check_selection(settings: FolderSettings) -> None:
    """Raises DataError for settings that need an order of all files, or all of them in one place."""
    if settings.group_size is not None:
        raise DataError(
            "--group-size needs the order of all files, which a run over many machines does not have. Give --group-by, "
            "a pattern for the part of the name that a group shares."
        )
    if settings.group_by is None and settings.ties == "surer first":
        raise DataError("--surer-first compares within groups. Give --group-by with it, or leave it out.")


def select_best_of_run(ray: Any, place: str, settings: FolderSettings) -> int:
    """Write the kept rows of each group into the run's folder `best` as Parquet; returns how many.

    Columns: path, group, rank, score, logit, uncertainty, clear (no rival is too close to call). Without `group_by` all
    pictures are one group, which is sorted by Ray instead. Done before with the same settings, nothing is done.
    """
    run = RunFolder(place)
    folder = run.folder
    wanted = json.dumps([settings.keep, settings.min_score, settings.min_keep, settings.ties]).encode()
    if not (folder.exists(_DONE) and folder.read(_DONE) == wanted):
        if folder.exists(_DONE):
            folder.remove_file(_DONE)  # first: it must never stand for rows that are only partly there
        folder.remove_folder(_BEST)
        _kept(ray, run, settings).write_parquet(folder.path_of(_BEST), filesystem=folder.files)
        folder.write(_DONE, wanted)
    if not folder.names(_BEST):
        return 0
    count: int = ray.data.read_parquet(folder.path_of(_BEST), filesystem=folder.files).count()
    return count


def kept_rows(table: Any, settings: FolderSettings) -> Any:
    """The kept rows of one group, best first, with `rank` and `clear` (pyarrow tables)."""
    arrow = pyarrow_module("")
    # In a fixed order: equal logits are ranked by it, and a shuffle has none.
    table = table.sort_by("path")
    candidates = CandidateScores(*(table[name].to_pylist() for name in ("logit", "score", "uncertainty")))
    chosen = select_best(candidates, replace(settings, group_size=None))
    close = {position for call in chosen.close for position in call}
    kept = table.take(arrow.array(chosen.kept, arrow.int64()))
    return kept.append_column(
        "rank", arrow.array([chosen.ranks[i] for i in chosen.kept], arrow.int64())
    ).append_column("clear", arrow.array([i not in close for i in chosen.kept], arrow.bool_()))


def _kept(ray: Any, run: RunFolder, settings: FolderSettings) -> Any:
    """Ray's dataset of the kept rows."""
    scores = ray.data.read_parquet(run.folder.path_of("scores"), filesystem=run.folder.files)
    scored = scores.map_batches(_scored_rows, batch_format="pyarrow", batch_size=None)
    if settings.group_by is not None:
        partitions = -(-sum(run.counts() or []) // _ROWS_PER_PARTITION)
        groups = scored.groupby("group", num_partitions=max(1, min(partitions, _MOST_PARTITIONS)))
        return groups.map_groups(kept_rows, fn_args=[settings], batch_format="pyarrow")
    # The best K and one rival more, by which closeness at the limit is judged.
    best = scored.sort(["logit", "path"], descending=[True, False]).limit(settings.keep + 1)
    return best.repartition(1).map_batches(
        kept_rows, fn_args=[settings], batch_format="pyarrow", batch_size=None
    )


def _scored_rows(table: Any) -> Any:
    compute = pyarrow_module("compute")
    return table.filter(compute.is_null(table["error"])).drop_columns(["error"])
