"""Progress bars of the command line."""

from __future__ import annotations

import sys

import pytest

from ganrm_core.cli.progress_bars import bars
from ganrm_core.utils.progress import Progress


@pytest.mark.parametrize("tqdm", [True, False])
def test_one_bar_per_stage_and_none_without_tqdm(
    tqdm: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if not tqdm:
        monkeypatch.setitem(sys.modules, "tqdm", None)
    with bars() as show:
        for step in (Progress("reading", 1, 2), Progress("reading", 2, 2), Progress("scoring", 1, 2)):
            show(step)
    last = [line.rpartition("\r")[2] for line in capsys.readouterr().err.split("\n")[:-1]]
    expected = [["reading:", "100"], ["scoring:", "50"]] if tqdm else []
    assert [line.partition("%")[0].split() for line in last] == expected
