"""`--verbose`: the library's log on standard error, and nothing of it without."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ganrm_core.utils.disk_cache import keep_in


@pytest.fixture(autouse=True)
def _no_cache_afterwards() -> Iterator[None]:
    yield
    keep_in(None)


def test_what_is_read_and_loaded_and_how_long_it_takes(trained: Any, tmp_path: Path, ganrm: Any) -> None:
    score = ["score", trained.checkpoint, trained.liked, "--device", "cpu", "--cache", tmp_path / "cache"]
    quiet = ganrm(*score)
    assert (quiet.code, quiet.err) == (0, "")
    for arguments in (["-v", *score], [*score, "--verbose"]):
        ran = ganrm(*arguments)
        assert (ran.code, ran.out) == (0, quiet.out)
        lines = ran.err.splitlines()
        assert all(re.match(r" +\d+\.\d\d s  [a-z_.]+: ", line) for line in lines)
        for part in (
            f'found 14 pictures in "{trained.liked}"',
            f'loaded the reward model "{trained.checkpoint}" with file:tiny.safetensors on cpu',
            "14 hits, 0 misses",
        ):
            assert sum(part in line for line in lines) == 1, part
        assert not logging.getLogger("ganrm").isEnabledFor(logging.INFO), "quiet again"
    sets = ("--liked", trained.liked, "--ordinary", trained.ordinary)
    stage = r"^ +[\d.]+ s  cli\.progress_bars: scoring: 29 of 29 in [\d.]+ s$"  # between the bars
    assert re.search(stage, ganrm("evaluate", trained.checkpoint, *sets, "-v").err, re.MULTILINE)


def test_a_warning_is_printed_without_it(
    trained: Any, ganrm: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger(), "handlers", [])  # as in a process that has not set up logging
    (tmp_path / "file").touch()
    ran = ganrm("score", trained.checkpoint, trained.liked, "--cache", tmp_path / "file")
    assert ran.code == 0
    assert re.fullmatch(r"WARNING:root:GAN-RM: the cache .* cannot be used .*\n", ran.err)
