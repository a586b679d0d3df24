"""Unusual input: what is decoded, what is skipped and reported, and what is refused with one message."""

from __future__ import annotations

import errno
import os
import re
import shutil
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from unit_support.failing_disk import refuse, refuse_creating
from unit_support.image_files import encoded, solid
from unit_support.workspace import Workspace

from ganrm_core.rewards.discriminator.reward_model import RewardModel

Spoil = Callable[[Workspace], object]


def refused(work: Workspace, command: str, *options: object, said: str) -> Any:
    """Run the command: exit code 2, one line that has the parts of `said` in this order, and no file changes."""
    before = work.listing()
    ran = work.run(command, *options)
    assert (ran.code, ran.out) == (2, "")
    *bars, message = ran.err.rstrip("\n").split("\n")
    assert message.startswith("ganrm: ")
    assert not any("ganrm" in line or "Traceback" in line for line in bars)
    pattern = re.escape(said.format(**vars(work))).replace("…", ".*")
    assert re.search(pattern, message), message
    assert work.listing() == before
    return ran


NOISE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8))
PNG = encoded(NOISE, "PNG")
ODD_NAMES = (
    " with  spaces .png",
    'it\'s "quoted".png',
    "two\nlines.png",
    "名前 é 🎨.png",
    "[a-z]*?{1}$HOME%s.png",
)
PICTURES = {
    "grey with alpha.png": encoded(NOISE.convert("LA"), "PNG"),
    "really a jpeg.png": encoded(NOISE, "JPEG"),
    "dot.png": encoded(solid("RGB", 0, (1, 1)), "PNG"),
    **dict.fromkeys(ODD_NAMES, PNG),
}
# name of the file → (its content, the reason given)
SKIPPED = {
    "cut.png": (PNG[: len(PNG) // 2], "damaged or cut short"),
    "empty.jpg": (b"", "empty (0 bytes)"),
    "page.webp": (b"<html>404 not found</html>", "not a picture in a known format"),
}


def remake(work: Workspace, **files: bytes) -> None:
    shutil.rmtree(work.liked)
    work.liked.mkdir()
    for name, content in files.items():
        (work.liked / name).write_bytes(content)


def test_pictures_and_names_of_every_kind(work: Workspace) -> None:
    remake(work, **PICTURES)
    ran = work.run("score", "--json")
    assert (ran.code, ran.err) == (0, "")
    logits = {Path(line["file"]).name: line["logit"] for line in ran.json}
    expected = RewardModel.load(work.model).score([work.liked / name for name in PICTURES]).logit.tolist()
    assert logits == pytest.approx(dict(zip(PICTURES, expected, strict=True)), abs=1e-4)


@pytest.mark.parametrize("command", ["train", "score", "best", "evaluate"])
def test_what_cannot_be_read_is_skipped_and_named(command: str, work: Workspace) -> None:
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


def few(work: Workspace) -> None:
    for number in range(5):
        (work.liked / f"liked0{number}.png").write_bytes(b"x%d" % number)


# what is wrong → (commands, how it came about, the message)
BAD_INPUT: dict[str, tuple[str, Spoil, str]] = {
    "no set": ("train evaluate best", lambda w: shutil.rmtree(w.liked), "no folder…{liked}…Check the path"),
    "nothing to score": (
        "score",
        lambda w: shutil.rmtree(w.liked),
        "no file or folder…{liked}…Check the path",
    ),
    "no pictures": (
        "train evaluate best",
        lambda w: remake(w, **{"notes.txt": b"x", "clip.mp4": b"x"}),
        "{liked}…no picture, only 2 other files…Choose a folder",
    ),
    "a picture in both": (
        "train evaluate",
        lambda w: shutil.copy(w.liked / "liked03.png", w.ordinary / "again.png"),
        '1 picture is in both…"liked03.png" = "again.png"…remove it',
    ),
    "too few": (
        "train",
        few,
        'Only 9 usable liked pictures…add pictures…5 files were skipped…"liked00.png"',
    ),
    "no model": ("score", lambda w: w.model.unlink(), "no checkpoint at…{model}…train one"),
    "half a model": (
        "score best evaluate info",
        lambda w: os.truncate(w.model, 5000),
        "{model}…damaged…train it anew",
    ),
    "no backbone": (
        "score",
        lambda w: w.backbone.unlink(),
        "{model}…file:tiny.safetensors, which could not be loaded…put them beside the checkpoint",
    ),
    "another backbone": (
        "score",
        lambda w: shutil.copy(w.root / "other.safetensors", w.backbone),
        "{model}…file:tiny.safetensors with weights of sha256…get the same weights, or train anew",
    ),
}


@pytest.mark.parametrize("what", BAD_INPUT)
def test_bad_sets_and_models(what: str, work: Workspace, make_clip_vision: Any) -> None:
    make_clip_vision(work.root / "other.safetensors", seed=99)
    commands, spoil, said = BAD_INPUT[what]
    spoil(work)
    for command in commands.split():
        refused(work, command, said=said)


def test_bad_output_is_refused_before_training(work: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("old.safetensors", "old.html"):
        (work.root / name).write_text("mine")
    for option, value, said in (
        ("--output", work.root / "old.html", '"old.html"…ends in .safetensors'),
        ("--output", work.root / "new" / "a", '"a"…ends in .safetensors'),
        ("--output", work.root / "old.safetensors", "old.safetensors…already exists…another name"),
        ("--report", work.root / "old.html", "already exists"),
        ("--report", work.root / "a.safetensors", "ends in .html"),
        ("--output", work.root / "old.html" / "a.safetensors", "old.html…is a file, not a folder"),
        ("--seed", -1, "seed is -1…Use a whole number"),
        ("--views", 0, "views is 0…Use 1 or more"),
        ("--backbone", "resnet", "'resnet'…Use one of"),
    ):
        refused(work, "train", option, value, said=said)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    said = "need matplotlib…pip install matplotlib, or leave out --report"
    refused(work, "train", "--report", work.root / "new" / "a.html", said=said)


def full_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files can be created, but what is written does not reach the disk."""
    monkeypatch.setattr(os, "fsync", refuse(errno.ENOSPC))


DISKS: dict[str, tuple[Callable[[pytest.MonkeyPatch], None], str]] = {
    "read-only": (partial(refuse_creating, errno.EROFS), "read-only…Choose"),
    "full at the end": (full_at_the_end, "the disk is full…Free some space"),
}


@pytest.mark.parametrize("command", ["train", "best"])
@pytest.mark.parametrize("what", DISKS)
def test_bad_disks(what: str, command: str, work: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    spoil, said = DISKS[what]
    spoil(monkeypatch)
    ran = refused(work, command, said=f"{{root}}/new…{said}")
    found_out_late = "reading pictures" in ran.err or "scoring" in ran.err
    assert found_out_late == (spoil is full_at_the_end)
