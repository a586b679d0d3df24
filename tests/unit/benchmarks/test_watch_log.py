"""Reading a log of the watch: which round would be given, and which sign saw it first."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from benchmarks.watch_log import given, look_of, print_training, trainings
from ganrm_core.post_training.round_signs import Look
from ganrm_core.post_training.watch import HeldOut

BEFORE = Look(0, 0.0, 1.0, 1.0, HeldOut(1.0, 1.0))
LOOKS = [
    BEFORE,
    replace(BEFORE, rounds=4, reward=1.0, held_out=HeldOut(1.1, 1.2)),
    replace(BEFORE, rounds=8, reward=2.0, held_out=HeldOut(1.1, 1.5)),
    replace(BEFORE, rounds=12, reward=3.0, spread=0.1),
    replace(BEFORE, rounds=16, reward=0.5),
]


def test_a_log_tells_trainings_apart_and_what_the_watch_would_have_done(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "log.jsonl"
    seen = [{"seed": seed, "arm": "bare", **asdict(look)} for seed in (0, 1) for look in LOOKS]
    seen[3] |= {"truth": 0.75, "share": 1.5}
    file.write_text("\n".join(map(json.dumps, seen)))
    first, second = trainings(file)
    assert [look_of(record) for record in first] == [look_of(record) for record in second] == LOOKS
    assert given(LOOKS) == (4, 12)
    assert given(LOOKS[:3]) == (4, 0)
    print_training(first)
    printed = capsys.readouterr().out
    assert "seed 0, bare: gives round 4, stopped after round 12" in printed
    assert "details     warns     8, stops never" in printed
    assert "spread      warns    12, stops    12" in printed
    assert "truth        0.75" in printed
