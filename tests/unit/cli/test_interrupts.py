"""Ctrl-C, closed pipes and full disks: the command stops cleanly and says what is lost."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from unit_support.workspace import Workspace

from ganrm_core import cli
from ganrm_core.reports import html_report
from ganrm_core.rewards.discriminator import file_features

ROOT = Path(__file__).parents[3]
LOST = {
    "train": "The training is lost; no file was written.",
    "score": "Scores printed so far are complete.",
    "best": "No picture was lost; see the output folder for what is done.",
    "evaluate": "Nothing was written.",
}


def interrupted(*_: object, **__: object) -> Any:
    raise KeyboardInterrupt


@pytest.mark.parametrize("command", LOST)
def test_ctrl_c_while_reading_pictures(
    command: str, work: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_features, "read_image", interrupted)
    before = work.listing()
    ran = work.run(command)
    assert ran.code == 130
    assert ran.err.splitlines()[-1] == f"ganrm: interrupted. {LOST[command]}"
    assert "Traceback" not in ran.err
    assert work.listing() == before


def test_ctrl_c_while_the_report_is_made_keeps_the_model(
    work: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(html_report, "write_report", interrupted)
    ran = work.run("train", "--report", work.root / "a.html")
    assert ran.code == 130
    assert ran.err.splitlines()[-1] == "ganrm: interrupted. The model is written and complete."
    assert (work.root / "new" / "a.safetensors").exists()
    assert not (work.root / "a.html").exists()


@pytest.mark.skipif(os.name != "posix", reason="signals are POSIX")
def test_a_real_signal_during_training(work: Workspace) -> None:
    before = work.listing()
    options = ["--output", str(work.root / "new" / "a.safetensors"), "--views", "40"]  # long enough
    process = subprocess.Popen(
        [sys.executable, "-m", "ganrm_core.cli", "train", *map(str, work.sets), *options],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        # A test runner may have been started with the signal ignored, which is inherited.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    try:
        assert process.stderr is not None
        seen = b""
        while b"reading pictures" not in seen and (part := process.stderr.read(1)):
            seen += part
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    assert (process.returncode, out) == (130, b"")
    assert err.decode().splitlines()[-1] == f"ganrm: interrupted. {LOST['train']}"
    assert b"Traceback" not in err
    assert work.listing() == before


@pytest.fixture
def closed_pipe() -> Iterator[Any]:
    """A pipe that nobody reads from any more."""
    reader, writer = os.pipe()
    os.close(reader)
    stream = os.fdopen(writer, "w")
    yield stream
    with contextlib.suppress(BrokenPipeError):
        stream.close()


class TestOutputThatGoesNowhere:
    @pytest.mark.parametrize("form", ["--json", "--csv", "--device=cpu"])
    def test_a_closed_pipe_is_no_error_and_hides_no_ctrl_c(
        self, form: str, trained: Any, closed_pipe: Any, monkeypatch: Any, capsys: Any
    ) -> None:
        monkeypatch.setattr(sys, "stdout", closed_pipe)
        score = ["score", str(trained.checkpoint), str(trained.liked), form]
        assert (cli.main(score), capsys.readouterr().err) == (0, "")
        monkeypatch.setattr(file_features, "read_image", interrupted)
        assert cli.main(score) == 130
        assert capsys.readouterr().err.lstrip() == f"ganrm: interrupted. {LOST['score']}\n"

    def test_a_reader_of_the_messages_that_goes_away_costs_no_result(
        self, trained: Any, closed_pipe: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sys, "stderr", closed_pipe)
        arguments = ["best", trained.checkpoint, trained.liked, "--output", tmp_path / "best", "--verbose"]
        assert cli.main([str(argument) for argument in arguments]) == 0
        assert len(list((tmp_path / "best").iterdir())) == 3

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
    def test_a_full_disk_is_one(self, trained: Any, monkeypatch: Any, capsys: Any) -> None:
        with Path("/dev/full").open("w") as full:
            monkeypatch.setattr(sys, "stdout", full)
            assert cli.main(["score", str(trained.checkpoint), str(trained.liked), "--csv"]) == 2
        said = capsys.readouterr().err
        assert said.startswith("ganrm: The disk is full: what was printed is not complete.")
