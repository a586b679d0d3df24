"""Unusual input: what is decoded, what is skipped and reported, and what is refused with one message."""

from __future__ import annotations

import errno
import io
import os
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from unit_support.failing_disk import refuse, refuse_creating
from unit_support.workspace import Workspace

from ganrm_core.rewards.discriminator.reward_model import RewardModel

Spoil = Callable[[Workspace], object]
COMMANDS = ("score", "best", "evaluate")


def refused(ran: Any, *parts: str) -> None:
    """Exit code 2 and one line that has all these parts, in this order."""
    assert (ran.code, ran.out) == (2, "")
    *bars, message = ran.err.rstrip("\n").split("\n")
    assert message.startswith("ganrm: ")
    assert not any("ganrm" in line or "Traceback" in line for line in bars)
    assert re.search(".*".join(re.escape(part) for part in parts), message), message


def encoded(picture: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def noise() -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8))


PNG = encoded(noise(), "PNG")
PICTURES = {
    "cmyk.jpg": encoded(noise().convert("CMYK"), "JPEG"),
    "grey with alpha.png": encoded(noise().convert("LA"), "PNG"),
    "moving.gif": encoded(noise(), "GIF", save_all=True, append_images=[Image.new("RGB", (40, 40))]),
    "really a jpeg.png": encoded(noise(), "JPEG"),
    "really a png.JPG": PNG,
    "dot.png": encoded(Image.new("RGB", (1, 1)), "PNG"),
    **dict.fromkeys(
        (" with  spaces .png", 'it\'s "quoted" `here`.png', "two\nlines.png", "名前 é 🎨.png"), PNG
    ),
    "[a-z]*?{1}$HOME%s.png": PNG,
}


def test_pictures_and_names_of_every_kind(work: Workspace, model: RewardModel) -> None:
    remake(work, **PICTURES)
    ran = work.run("score", "--json")
    assert (ran.code, ran.err) == (0, "")
    logits = {Path(line["file"]).name: line["logit"] for line in ran.json}
    expected = model.score([work.liked / name for name in PICTURES]).logit.tolist()
    assert logits == pytest.approx(dict(zip(PICTURES, expected, strict=True)), abs=1e-4)


# name of the file → (its content, the reason given)
SKIPPED = {
    "cut.png": (PNG[: len(PNG) // 2], "damaged or cut short"),
    "empty.jpg": (b"", "empty (0 bytes)"),
    "page.webp": (b"<html>404 not found</html>", "not a picture in a known format"),
}


class TestSkippedAndNamed:
    @pytest.mark.parametrize("command", ["train", *COMMANDS])
    def test_counted_and_named(self, command: str, work: Workspace) -> None:
        for name, (content, _) in SKIPPED.items():
            (work.liked / name).write_bytes(content)
        ran = work.run(command, "--json")
        assert ran.code == 0
        (message,) = re.findall(r"^ganrm: (3 files were skipped: .*)$", ran.err, re.MULTILINE)
        for name, (_, reason) in SKIPPED.items():
            assert re.search(rf'"{re.escape(name)}" \([^"]*{re.escape(reason)}', message), (name, message)
        if command in ("train", "evaluate"):
            assert (ran.json[0]["n_liked"], ran.json[0]["n_ordinary"]) == (14, 15)
            assert len(ran.json[0]["skipped"]) == 3
        else:
            scored = 14 if command == "score" else 1
            assert ["skipped" in line for line in ran.json] == [False] * scored + [True] * 3

    @pytest.mark.parametrize("command", COMMANDS)
    def test_none_can_be_read(self, command: str, work: Workspace) -> None:
        remake(work, **{name: content for name, (content, _) in SKIPPED.items()})
        before = work.listing()
        ran = work.run(command)
        assert ran.code == 2
        assert len(re.findall("^ganrm: ", ran.err, re.MULTILINE)) == 1
        assert work.listing() == before


def remake(work: Workspace, **files: bytes) -> None:
    shutil.rmtree(work.liked)
    work.liked.mkdir()
    for name, content in files.items():
        (work.liked / name).write_bytes(content)


# what is wrong with the sets → (how it came about, parts of the message)
BAD_SETS: dict[str, tuple[Spoil, tuple[str, ...]]] = {
    "missing": (lambda w: shutil.rmtree(w.liked), ("no folder", "{liked}", "Check the path")),
    "without pictures": (
        lambda w: remake(w, **{"notes.txt": b"x", "clip.mp4": b"x"}),
        ("{liked}", "no picture, only 2 other files", "Choose a folder"),
    ),
    "a picture in both": (
        lambda w: shutil.copy(w.liked / "liked03.png", w.ordinary / "again.png"),
        ("1 picture is in both", '"liked03.png" = "again.png"', "remove it"),
    ),
    "fewer than 10 that can be read": (
        lambda w: [(w.liked / f"liked0{n}.png").write_bytes(b"x%d" % n) for n in range(5)],
        ("Only 9 usable liked pictures", "add pictures", "5 files were skipped", '"liked00.png"'),
    ),
}


class TestSetsRefused:
    @pytest.mark.parametrize(
        ("command", "what"),
        [
            *(("train", what) for what in BAD_SETS),
            *(("evaluate", what) for what in list(BAD_SETS)[:3]),
            *(("best", what) for what in list(BAD_SETS)[:2]),
        ],
    )
    def test_one_clear_message(self, command: str, what: str, work: Workspace) -> None:
        spoil, parts = BAD_SETS[what]
        spoil(work)
        before = work.listing()
        refused(work.run(command), *(part.format(liked=work.liked) for part in parts))
        assert work.listing() == before

    def test_score_takes_a_file_for_a_picture(self, work: Workspace) -> None:
        shutil.rmtree(work.liked)
        work.liked.write_text("x")
        assert "not a picture" in work.run("score").err
        work.liked.unlink()
        refused(work.run("score"), "no file or folder", str(work.liked), "Check the path")


def halved(checkpoint: Path) -> None:
    content = checkpoint.read_bytes()
    checkpoint.write_bytes(content[: len(content) // 2])


# what is wrong with the model → (how it came about, parts of the message)
BAD_MODELS: dict[str, tuple[Callable[[Path], object], tuple[str, ...]]] = {
    "missing": (lambda m: m.unlink(), ("no checkpoint at", "{model}", "train one")),
    "cut short": (halved, ("{model}", "damaged", "train it anew")),
    "without its backbone": (
        lambda m: (m.parent / "tiny.safetensors").unlink(),
        ("{model}", "file:tiny.safetensors, which could not be loaded", "put them beside the checkpoint"),
    ),
    "with other backbone weights": (
        lambda m: shutil.copy(m.parent.parent / "other.safetensors", m.parent / "tiny.safetensors"),
        ("{model}", "file:tiny.safetensors with weights of sha256", "get the same weights, or train anew"),
    ),
}


class TestModelRefused:
    @pytest.mark.parametrize(
        ("command", "what"),
        [
            *(("score", what) for what in BAD_MODELS),
            *((name, "cut short") for name in ("best", "evaluate", "info")),
        ],
    )
    def test_one_clear_message(
        self, command: str, what: str, work: Workspace, make_clip_vision: Callable[..., Path]
    ) -> None:
        make_clip_vision(work.root / "other.safetensors", seed=99)
        spoil, parts = BAD_MODELS[what]
        spoil(work.model)
        before = work.listing()
        refused(work.run(command, "--json"), *(part.format(model=work.model) for part in parts))
        assert work.listing() == before


def no_new_folders(code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "mkdir", refuse(code))


def full_at_the_end(code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files can be created, but what is written does not reach the disk."""
    monkeypatch.setattr(os, "fsync", refuse(code))


DISKS = {
    "read-only": (refuse_creating, errno.EROFS, ("read-only", "Choose")),
    "without permission": (
        refuse_creating,
        errno.EACCES,
        ("no permission", "Change the folder's permissions"),
    ),
    "without new folders": (no_new_folders, errno.EROFS, ("ead-only", "Choose")),
    "full at the end": (full_at_the_end, errno.ENOSPC, ("the disk is full", "Free some space")),
}


class TestOutputRefused:
    @pytest.mark.parametrize(
        ("options", "parts"),
        [
            (["--output", "{work}/old.html"], ('"old.html"', "ends in .safetensors")),
            (["--output", "{work}/new/a"], ('"a"', "ends in .safetensors")),
            (["--output", "{work}/old.safetensors"], ("old.safetensors", "already exists", "another name")),
            (["--report", "{work}/old.html"], ("already exists",)),
            (["--report", "{work}/a.safetensors"], ("ends in .html",)),
            (["--output", "{work}/old.html/a.safetensors"], ("old.html", "is a file, not a folder")),
            (["--seed", "-1"], ("seed is -1", "Use a whole number")),
            (["--views", "0"], ("views is 0", "Use 1 or more")),
            (["--backbone", "resnet"], ("'resnet'", "Use one of")),
        ],
    )
    def test_before_training(self, options: list[str], parts: tuple[str, ...], work: Workspace) -> None:
        for name in ("old.safetensors", "old.html"):
            (work.root / name).write_text("mine")
        before = work.listing()
        refused(work.run("train", *(option.format(work=work.root) for option in options)), *parts)
        assert work.listing() == before

    def test_a_report_that_cannot_be_drawn(self, work: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
        before = work.listing()
        ran = work.run("train", "--report", work.root / "new" / "a.html")
        refused(ran, "need matplotlib", "pip install matplotlib, or leave out --report")
        assert work.listing() == before

    @pytest.mark.parametrize("command", ["train", "best"])
    @pytest.mark.parametrize("what", DISKS)
    def test_by_the_disk(
        self, what: str, command: str, work: Workspace, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        spoil, code, parts = DISKS[what]
        before = work.listing()
        spoil(code, monkeypatch)
        ran = work.run(command)
        refused(ran, str(work.root / "new"), *parts)
        found_out_late = "reading pictures" in ran.err or "scoring" in ran.err
        assert found_out_late == (spoil is full_at_the_end)
        assert work.listing() == before
