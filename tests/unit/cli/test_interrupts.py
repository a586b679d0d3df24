"""Ctrl-C, closed pipes and full disks: the command stops cleanly and says what is lost."""

from __future__ import annotations

import io
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ganrm_core import cli
from ganrm_core.data import image_folder
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


def listing(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() if path.is_file() else b"" for path in folder.rglob("*")}


@pytest.fixture
def work(trained: Any, tmp_path: Path) -> Path:
    shutil.copytree(trained.liked, tmp_path / "liked")
    shutil.copytree(trained.ordinary, tmp_path / "ordinary")
    return tmp_path


def call(command: str, trained: Any, work: Path, backbone: str) -> list[object]:
    sets = ["--liked", work / "liked", "--ordinary", work / "ordinary"]
    return {
        "train": ["train", *sets, "--backbone", backbone, "--output", work / "new" / "a.safetensors"],
        "score": ["score", trained.checkpoint, work / "liked"],
        "best": ["best", trained.checkpoint, work / "liked", "--move", "--output", work / "new" / "best"],
        "evaluate": ["evaluate", trained.checkpoint, *sets],
    }[command]


class TestCtrlC:
    @pytest.mark.parametrize("command", LOST)
    def test_while_reading_pictures(
        self,
        command: str,
        trained: Any,
        work: Path,
        tiny_transformer: str,
        ganrm: Ganrm,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        real, read = image_folder.read_image, 0

        def interrupted(path: Path) -> Any:
            nonlocal read
            read += 1
            if read == 9:
                raise KeyboardInterrupt
            return real(path)

        for module in (file_features, image_folder):
            monkeypatch.setattr(module, "read_image", interrupted)
        before = listing(work)
        ran = ganrm(*call(command, trained, work, tiny_transformer))
        assert ran.code == 130
        assert ran.err.splitlines()[-1] == f"ganrm: interrupted. {LOST[command]}"
        assert "Traceback" not in ran.err
        assert listing(work) == before

    def test_while_the_report_is_made_the_model_is_kept(
        self, trained: Any, work: Path, tiny_transformer: str, ganrm: Ganrm, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def interrupted(*_: object, **__: object) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(html_report, "write_report", interrupted)
        ran = ganrm(
            *call("train", trained, work, tiny_transformer), "--report", work / "a.html", "--preset", "paper"
        )
        assert ran.code == 130
        assert ran.err.splitlines()[-1] == "ganrm: interrupted. The model is written and complete."
        assert ganrm("info", work / "new" / "a.safetensors").code == 0
        assert not (work / "a.html").exists()

    @pytest.mark.skipif(os.name != "posix", reason="signals are POSIX")
    def test_a_real_signal_during_training(self, trained: Any, work: Path) -> None:
        before = listing(work)
        arguments = [str(part) for part in call("train", trained, work, "efficientnet_lite0")]
        arguments += ["--views", "40"]  # long enough to be met in the middle
        process = subprocess.Popen(
            [sys.executable, "-m", "ganrm_core.cli", *arguments],
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
        assert process.returncode == 130
        assert out == b""
        assert err.decode().splitlines()[-1] == f"ganrm: interrupted. {LOST['train']}"
        assert b"Traceback" not in err
        assert listing(work) == before


@pytest.fixture
def closed_pipe(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Standard output goes into a pipe that nobody reads from any more."""
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        yield


class TestOutputThatGoesNowhere:
    @pytest.mark.parametrize("form", ["--json", "--csv", "--device=cpu"])
    @pytest.mark.usefixtures("closed_pipe")
    def test_a_closed_pipe_is_no_error(
        self, form: str, trained: Any, work: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert cli.main(["score", str(trained.checkpoint), str(work / "liked"), form]) == 0
        assert capsys.readouterr().err == ""

    @pytest.mark.usefixtures("closed_pipe")
    def test_nor_does_it_hide_ctrl_c(
        self, trained: Any, work: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        def interrupted(_: Path) -> Any:
            raise KeyboardInterrupt

        monkeypatch.setattr(file_features, "read_image", interrupted)
        assert cli.main(["score", str(trained.checkpoint), str(work / "liked")]) == 130
        assert "interrupted. Scores printed so far are complete." in capsys.readouterr().err

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
    def test_a_full_disk_is_one(
        self, trained: Any, work: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        with Path("/dev/full").open("w") as full:
            monkeypatch.setattr(sys, "stdout", full)
            assert cli.main(["score", str(trained.checkpoint), str(work / "liked"), "--csv"]) == 2
        assert capsys.readouterr().err.startswith(
            "ganrm: The disk is full: what was printed is not complete."
        )

    @pytest.mark.skipif(os.name != "posix", reason="needs a shell")
    def test_the_first_line_of_many_through_a_real_pipe(self, trained: Any, work: Path) -> None:
        command = '"$0" -m ganrm_core.cli score "$1" "$2" "$2" --json | head -1'
        done = subprocess.run(
            ["bash", "-o", "pipefail", "-c", command, sys.executable, trained.checkpoint, work / "liked"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert len(done.stdout.splitlines()) == 1

    def test_output_that_is_no_terminal_nor_file(self, trained: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        written = io.StringIO()  # as in a notebook
        monkeypatch.setattr(sys, "stdout", written)
        assert cli.main(["info", str(trained.checkpoint)]) == 0
        assert "held-out AUC" in written.getvalue()
