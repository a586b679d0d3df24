"""Ctrl-C, closed pipes and full disks: the command stops cleanly and says what is lost."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ganrm_core import cli
from ganrm_core.reports import html_report
from ganrm_core.rewards.discriminator import file_features

Ganrm = Callable[..., Any]
ROOT = Path(__file__).parents[3]
LOST = {
    "train": "The training is lost; no file was written.",
    "score": "Scores printed so far are complete.",
    "best": "No picture was lost; see the output folder for what is done.",
    "evaluate": "Nothing was written.",
}


def interrupted(*_: object, **__: object) -> Any:
    raise KeyboardInterrupt


class TestCtrlC:
    @pytest.mark.parametrize("command", LOST)
    def test_while_reading_pictures(
        self,
        command: str,
        trained: Any,
        work: Path,
        folders: list[object],
        train: Ganrm,
        ganrm: Ganrm,
        listing: Any,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(file_features, "read_image", interrupted)
        before = listing(work)
        ran = {
            "train": lambda: train("--output", work / "new" / "a.safetensors"),
            "score": lambda: ganrm("score", trained.checkpoint, work / "liked"),
            "best": lambda: ganrm(
                *("best", trained.checkpoint, work / "liked", "--move", "--output", work / "new" / "best")
            ),
            "evaluate": lambda: ganrm("evaluate", trained.checkpoint, *folders),
        }[command]()
        assert ran.code == 130
        assert ran.err.splitlines()[-1] == f"ganrm: interrupted. {LOST[command]}"
        assert "Traceback" not in ran.err
        assert listing(work) == before

    def test_while_the_report_is_made_the_model_is_kept(
        self, work: Path, train: Ganrm, ganrm: Ganrm, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(html_report, "write_report", interrupted)
        ran = train("--output", work / "new" / "a.safetensors", "--report", work / "a.html")
        assert ran.code == 130
        assert ran.err.splitlines()[-1] == "ganrm: interrupted. The model is written and complete."
        assert ganrm("info", work / "new" / "a.safetensors").code == 0
        assert not (work / "a.html").exists()

    @pytest.mark.skipif(os.name != "posix", reason="signals are POSIX")
    def test_a_real_signal_during_training(self, work: Path, folders: list[object], listing: Any) -> None:
        before = listing(work)
        options = ["--output", str(work / "new" / "a.safetensors"), "--views", "40"]  # long enough
        process = subprocess.Popen(
            [sys.executable, "-m", "ganrm_core.cli", "train", *map(str, folders), *options],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
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
        assert listing(work) == before


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
    def test_a_closed_pipe_is_no_error(
        self,
        form: str,
        trained: Any,
        closed_pipe: Any,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        monkeypatch.setattr(sys, "stdout", closed_pipe)
        assert cli.main(["score", str(trained.checkpoint), str(trained.liked), form]) == 0
        assert capsys.readouterr().err == ""

    def test_nor_does_it_hide_ctrl_c(
        self,
        trained: Any,
        closed_pipe: Any,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        monkeypatch.setattr(sys, "stdout", closed_pipe)
        monkeypatch.setattr(file_features, "read_image", interrupted)
        assert cli.main(["score", str(trained.checkpoint), str(trained.liked)]) == 130
        assert "interrupted. Scores printed so far are complete." in capsys.readouterr().err

    def test_a_reader_of_the_messages_that_goes_away_costs_no_result(
        self, trained: Any, closed_pipe: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sys, "stderr", closed_pipe)
        arguments = ["best", trained.checkpoint, trained.liked, "--output", tmp_path / "best", "--verbose"]
        assert cli.main([str(argument) for argument in arguments]) == 0
        assert len(list((tmp_path / "best").iterdir())) == 3

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
    def test_a_full_disk_is_one(
        self, trained: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        with Path("/dev/full").open("w") as full:
            monkeypatch.setattr(sys, "stdout", full)
            assert cli.main(["score", str(trained.checkpoint), str(trained.liked), "--csv"]) == 2
        assert capsys.readouterr().err.startswith(
            "ganrm: The disk is full: what was printed is not complete."
        )
