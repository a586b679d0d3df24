"""Scores shards of a run; a picture that kills its worker again and again becomes a row with an error."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..rewards.base import Reward
from .block_scorer import BlockScorer, Row, failed_row
from .run_folder import RunFolder, RunSettings, Shard
from .storage import Folder

_TRUSTED_ATTEMPTS = 3
"""A shard begun so often without an end is scored picture by picture, so that a fatal one is found."""
_FATAL_ATTEMPTS = 2
"""A picture that was begun so often by itself without an end is not tried again."""


@dataclass(frozen=True)
class Finished:
    """How many pictures a shard has, and how many of these were not scored."""

    pictures: int
    errors: int


class ShardScorer:
    """Scores the shards of the run at `place`; `load` loads the reward, once, when a shard needs it."""

    def __init__(self, place: str, settings: RunSettings, load: Callable[[], Reward]) -> None:
        self._run, self._settings, self._load = RunFolder(place), settings, load
        self._folders: dict[int, Folder] = {}
        self._scorer: BlockScorer | None = None

    def score(self, shard: Shard) -> Finished:
        """Score a shard and write its rows, unless another attempt has done so."""
        names = self._run.names_of(shard)
        if self._run.is_finished(shard):
            return Finished(len(names), self._run.errors_in(shard))
        if self._scorer is None:
            self._scorer = BlockScorer(self._load(), self._settings.prompt, self._settings.group_by)
        folder = self._folder(shard.source)
        attempts = _Attempts(self._run, shard)
        if attempts.begin() <= _TRUSTED_ATTEMPTS:
            rows = self._scorer.rows(folder, names)
        else:
            rows = self._one_by_one(folder, names, attempts)
        if not self._run.is_finished(shard):  # by a worker that was taken for dead
            self._run.write_scores(shard, rows)
        attempts.forget()
        return Finished(len(rows), sum(row["error"] is not None for row in rows))

    def _one_by_one(self, folder: Folder, names: Sequence[str], attempts: _Attempts) -> list[Row]:
        assert self._scorer is not None
        rows: list[Row] = []
        for position, name in enumerate(names):
            if attempts.of_picture(position) >= _FATAL_ATTEMPTS:
                rows.append(failed_row(folder, name, "the worker ended each time it was read"))
                continue
            attempts.begin_picture(position)
            rows += self._scorer.rows(folder, [name])
            attempts.end_picture(position)
        return rows

    def _folder(self, source: int) -> Folder:
        if source not in self._folders:
            self._folders[source] = Folder(self._settings.sources[source].place)
        return self._folders[source]


class _Attempts:
    """How often a shard, and single pictures of it by position, were begun without an end. Survives the worker."""

    def __init__(self, run: RunFolder, shard: Shard) -> None:
        self._folder, self._name = run.folder, run.attempts_file(shard)
        self._shard = 0
        self._pictures: dict[str, int] = {}
        if self._folder.exists(self._name):
            known = json.loads(self._folder.read(self._name))
            self._shard, self._pictures = known["shard"], known["pictures"]

    def begin(self) -> int:
        """Count one more attempt; returns how many there are."""
        self._shard += 1
        self._write()
        return self._shard

    def of_picture(self, position: int) -> int:
        return self._pictures.get(str(position), 0)

    def begin_picture(self, position: int) -> None:
        self._pictures[str(position)] = self.of_picture(position) + 1
        self._write()

    def end_picture(self, position: int) -> None:
        """Forget the attempts of a picture; written with the next one's."""
        del self._pictures[str(position)]

    def forget(self) -> None:
        self._folder.remove_file(self._name)

    def _write(self) -> None:
        known = {"shard": self._shard, "pictures": self._pictures}
        self._folder.write(self._name, json.dumps(known).encode())
