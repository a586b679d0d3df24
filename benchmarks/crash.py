"""SIGKILL at random moments: python -m benchmarks.crash [--kills 300] [--only NAME] [--seed 0]

Training, saving, adding to datasets, moving the best, culling, the feature cache, groups and LoRA training run as the
command line and the nodes run them, in processes of their own that are killed: half of them at a random time of their
run, half a moment after a random change in their folder. After each kill every file under a final name must be whole,
nothing that was there or reported as done may be lost, and no picture may exist nowhere. Then the same call is made again,
sometimes to be killed again: it must end well without help, with the result of a run that nobody killed.

Faults are printed as they are found. Exit code 1 if there are any. Linux only (inotify, pidfd). No power is cut: that a
file is also whole then rests on fsync before every rename, which a test of `atomic_file` looks at."""

from __future__ import annotations

import argparse
import importlib
import os
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.crashes.models import Saving, Training
from benchmarks.crashes.processes import Ended, Journal, Moment, run
from benchmarks.crashes.scenario import Materials, Scenario
from benchmarks.crashes.selections import Best, Cull
from benchmarks.crashes.stores import Datasets, FeatureCache, Groups, LoraTraining

_MODULES = "modules.txt"
_AGAIN = 0.3
"""How often a killed run is followed by another one that is killed, without a whole one between."""


def main() -> int:
    options = _options()
    os.environ["GANRM_CACHE"] = "off"
    with tempfile.TemporaryDirectory(prefix="ganrm-crash-") as name:
        materials = _materials(Path(name))
        journal = Journal(Path(name) / "journal.txt")
        scenarios = [each for each in _scenarios(materials, journal) if options.only in each.name]
        if not scenarios:
            sys.exit(f"There is nothing called {options.only!r}.")
        counts = [
            options.kills // len(scenarios) + (place < options.kills % len(scenarios))
            for place in range(len(scenarios))
        ]
        tallies = [
            _Bench(scenario, Path(name), random.Random(f"{options.seed} {scenario.name}")).killed(count)
            for scenario, count in zip(scenarios, counts, strict=True)
        ]
    _print(tallies)
    return int(any(tally.faults for tally in tallies))


@dataclass
class Tally:
    """`midst`: kills before the end of the run. `writing`: of them, those after its first and before its last change."""

    name: str
    kills: int = 0
    midst: int = 0
    writing: int = 0
    faults: list[str] = field(default_factory=list)
    seconds: float = 0.0


class _Bench:
    """Kills one kind of work again and again, and checks."""

    def __init__(self, scenario: Scenario, base: Path, chance: random.Random) -> None:
        self._scenario, self._chance = scenario, chance
        self._folder, self._log = base / "work", base / "log.txt"
        self._tally = Tally(scenario.name)
        self._whole = Ended(0, 1, 1.0, "")

    def killed(self, count: int) -> Tally:
        tally, started = self._tally, time.monotonic()
        self._measure()
        fresh = True
        while tally.kills < count:
            if fresh:
                self._prepare()
            ended = self._call(self._moment())
            tally.kills += 1
            midst = ended.code is None
            tally.midst += midst
            tally.writing += midst and 0 < ended.events < self._whole.events
            if not midst and ended.code:
                self._fault(f"a run after a kill ended with {ended.code}: {_last_line(ended.said)}")
            self._check("after a kill", self._scenario.faults)
            fresh = not midst or self._chance.random() > _AGAIN or tally.kills == count
            if not midst:
                self._check("after a run to its end", self._scenario.unfinished)
            elif fresh:
                self._finish()
        tally.seconds = time.monotonic() - started
        midst = f"{tally.midst} in the midst, {tally.writing} while writing"
        print(f"{tally.name}: {tally.kills} kills, {midst}, {len(tally.faults)} faults", flush=True)
        return tally

    def _measure(self) -> None:
        """One run to load what the work needs into this process, one to time."""
        for _ in range(2):
            self._prepare()
            self._whole = self._call(None)
            if self._whole.code:
                sys.exit(f"{self._scenario.name} fails without a kill:\n{self._whole.said}")
            _load_modules(self._log.parent)
        self._check("without a kill", self._scenario.unfinished)

    def _prepare(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir()
        self._scenario.journal.path.unlink(missing_ok=True)
        self._scenario.prepare(self._folder)

    def _call(self, moment: Moment | None) -> Ended:
        def work() -> None:
            self._scenario.run(self._folder)
            _keep_modules(self._log.parent)

        return run(work, self._folder, self._log, moment)

    def _moment(self) -> Moment:
        whole, chance = self._whole, self._chance
        if chance.random() < 0.5:
            return Moment(0, chance.uniform(0, whole.seconds))
        return Moment(chance.randint(1, max(1, whole.events)), 10 ** chance.uniform(-6, -2.5))

    def _finish(self) -> None:
        """The next run, without a hand."""
        ended = self._call(None)
        if ended.code:
            self._fault(f"the next run ended with {ended.code}: {_last_line(ended.said)}")
        else:
            self._check("after the next run", self._scenario.unfinished)

    def _check(self, when: str, find: Callable[[Path], list[str]]) -> None:
        result = self._log.with_name("faults.txt")
        result.unlink(missing_ok=True)

        def work() -> None:
            result.write_text("\n".join(find(self._folder)))

        ended = run(work, self._folder, self._log)
        if ended.code:
            sys.exit(f"{self._scenario.name}: the check failed:\n{ended.said}")
        for fault in result.read_text().splitlines():
            self._fault(f"{when}: {fault}")

    def _fault(self, what: str) -> None:
        self._tally.faults.append(what)
        print(f"{self._tally.name}, kill {self._tally.kills}: {what}", flush=True)


def _scenarios(materials: Materials, journal: Journal) -> list[Scenario]:
    return [
        Saving(materials, journal),
        Datasets(materials, journal),
        Best(materials, journal, "move"),
        Best(materials, journal, "copy"),
        Cull(materials, journal),
        FeatureCache(materials, journal),
        Groups(materials, journal),
        LoraTraining(materials, journal),
        Training(materials, journal),
    ]


def _materials(base: Path) -> Materials:
    folder = base / "materials"
    folder.mkdir()

    def make() -> None:
        import torch

        from tests.fuzz_support.checkpoint_seeds import make_checkpoint_seeds

        torch.set_num_threads(1)
        make_checkpoint_seeds(folder)
        _keep_modules(base)

    ended = run(make, folder, base / "log.txt")
    if ended.code:
        sys.exit(f"The model to work with could not be made:\n{ended.said}")
    _load_modules(base)
    import torch

    torch.set_num_threads(1)  # in every process forked from this one
    return Materials(folder)


def _keep_modules(base: Path) -> None:
    (base / _MODULES).write_text("\n".join(sys.modules))


def _load_modules(base: Path) -> None:
    """Import what a forked process has imported, so that the next ones need not."""
    for name in (base / _MODULES).read_text().split():
        with suppress(ImportError):
            importlib.import_module(name)


def _last_line(said: str) -> str:
    return (said.strip().splitlines() or [""])[-1][:300]


def _print(tallies: list[Tally]) -> None:
    rows = [("work", "kills", "in the midst", "while writing", "faults", "seconds")]
    total = Tally("all")
    for tally in tallies:
        for name in ("kills", "midst", "writing", "faults", "seconds"):
            setattr(total, name, getattr(total, name) + getattr(tally, name))
    for tally in (*tallies, total):
        numbers = (tally.kills, tally.midst, tally.writing, len(tally.faults), round(tally.seconds))
        rows.append((tally.name, *map(str, numbers)))  # type: ignore[arg-type]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="SIGKILL at random moments of everything that writes files.")
    parser.add_argument("--kills", type=int, default=300, help="how many in all (default 300)")
    parser.add_argument(
        "--only", default="", metavar="NAME", help="only the kinds of work with this in the name"
    )
    parser.add_argument("--seed", type=int, default=0, help="other moments (default 0)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
