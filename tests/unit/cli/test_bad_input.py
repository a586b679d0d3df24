"""Unusual input: what is decoded, what is skipped and reported, and what is refused with one message."""

from __future__ import annotations

import errno
import io
import json
import os
import re
import shutil
import struct
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ganrm_core.data.image_io import MAX_PIXELS
from ganrm_core.rewards.discriminator.checkpoint import (
    FORMAT_VERSION,
    Checkpoint,
    load_checkpoint,
    save_checkpoint,
)
from ganrm_core.rewards.discriminator.reward_model import RewardModel

Ganrm = Callable[..., Any]
Listing = Callable[[Path], dict[str, bytes]]
Spoil = Callable[[Path], object]
COMMANDS = ("score", "best", "evaluate")


def call(command: str, model: object, work: Path, *options: object) -> list[object]:
    """The arguments of a command that reads `work / "liked"`."""
    output = ["--output", work / "new" / "best"] if command == "best" else []
    sets = ["--liked", work / "liked", "--ordinary", work / "ordinary"]
    return [command, model, *(sets if command == "evaluate" else [work / "liked"]), *output, *options]


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


def test_pictures_and_names_of_every_kind(
    trained: Any, model: RewardModel, ganrm: Ganrm, tmp_path: Path
) -> None:
    for name, content in PICTURES.items():
        (tmp_path / name).write_bytes(content)
    ran = ganrm("score", trained.checkpoint, tmp_path, "--json")
    assert (ran.code, ran.err) == (0, "")
    logits = {Path(line["file"]).name: line["logit"] for line in ran.json}
    expected = model.score([tmp_path / name for name in PICTURES]).logit.tolist()
    assert logits == pytest.approx(dict(zip(PICTURES, expected, strict=True)), abs=1e-4)


def bomb() -> bytes:
    """A few bytes that claim to be 16385 × 16384 pixels."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = struct.pack(">IIBBBBB", MAX_PIXELS // 16384 + 1, 16384, 8, 0, 0, 0, 0)
    chunks = [(b"IHDR", head), (b"IDAT", zlib.compress(b"")), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*entry) for entry in chunks)


# name of the file → (its content, the reason given)
SKIPPED = {
    "bomb.png": (bomb(), "16385 × 16384 pixels are more than"),
    "cut.png": (PNG[: len(PNG) // 2], "damaged or cut short"),
    "empty.jpg": (b"", "empty (0 bytes)"),
    "page.webp": (b"<html>404 not found</html>", "not a picture in a known format"),
}


class TestSkippedAndNamed:
    @pytest.mark.parametrize("command", ["train", *COMMANDS])
    def test_counted_and_named(
        self, command: str, work: Path, trained: Any, train: Ganrm, ganrm: Ganrm
    ) -> None:
        for name, (content, _) in SKIPPED.items():
            (work / "liked" / name).write_bytes(content)
        if command == "train":
            ran = train("--output", work / "a.safetensors", "--json")
        else:
            ran = ganrm(*call(command, trained.checkpoint, work, "--json"))
        assert ran.code == 0
        (message,) = re.findall(r"^ganrm: (4 files were skipped: .*)$", ran.err, re.MULTILINE)
        for name, (_, reason) in SKIPPED.items():
            assert re.search(rf'"{re.escape(name)}" \([^"]*{re.escape(reason)}', message), (name, message)
        if command in ("train", "evaluate"):
            assert (ran.json[0]["n_liked"], ran.json[0]["n_ordinary"]) == (14, 15)
            assert len(ran.json[0]["skipped"]) == 4
        else:
            scored = 14 if command == "score" else 1
            assert ["skipped" in line for line in ran.json] == [False] * scored + [True] * 4

    @pytest.mark.parametrize("command", COMMANDS)
    def test_none_can_be_read(
        self, command: str, work: Path, trained: Any, ganrm: Ganrm, listing: Listing
    ) -> None:
        remake(work, **{name: content for name, (content, _) in SKIPPED.items()})
        before = listing(work)
        ran = ganrm(*call(command, trained.checkpoint, work))
        assert ran.code == 2
        assert len(re.findall("^ganrm: ", ran.err, re.MULTILINE)) == 1
        assert listing(work) == before


def keep_only(folder: Path, count: int) -> None:
    for path in sorted(folder.iterdir())[count:]:
        path.unlink()


def remake(work: Path, **files: bytes) -> None:
    shutil.rmtree(work / "liked")
    (work / "liked").mkdir()
    for name, content in files.items():
        (work / "liked" / name).write_bytes(content)


def put_links(work: Path) -> None:
    shutil.rmtree(work / "ordinary")
    (work / "ordinary").symlink_to(work / "liked", target_is_directory=True)


def save_again(work: Path) -> None:
    with Image.open(work / "liked" / "liked05.png") as picture:
        picture.save(work / "ordinary" / "disguised.tif")


# what is wrong with the sets → (how it came about, parts of the message)
BAD_SETS: dict[str, tuple[Spoil, tuple[str, ...]]] = {
    "missing": (lambda w: shutil.rmtree(w / "liked"), ("no folder", "{work}/liked", "Check the path")),
    "empty": (lambda w: remake(w), ("{work}/liked", "is empty", "Put pictures in it")),
    "without pictures": (
        lambda w: remake(w, **{"notes.txt": b"x", "clip.mp4": b"x"}),
        ("{work}/liked", "no picture, only 2 other files", "Choose a folder"),
    ),
    "a file": (
        lambda w: (shutil.rmtree(w / "liked"), (w / "liked").write_text("x")),
        ("{work}/liked", "not a folder", "Give the folder"),
    ),
    "the same folder": (put_links, ("folder are the same", "{work}/liked", "Give a folder")),
    "a picture in both": (
        lambda w: shutil.copy(w / "liked" / "liked03.png", w / "ordinary" / "again.png"),
        ("1 picture is in both", '"liked03.png" = "again.png"', "remove it"),
    ),
    "many pictures in both": (
        lambda w: shutil.copytree(w / "liked", w / "ordinary", dirs_exist_ok=True),
        ("14 pictures are in both", "and 11 more", "remove it"),
    ),
}
# as above, but only for training
BAD_FOR_TRAINING: dict[str, tuple[Spoil, tuple[str, ...]]] = {
    "fewer than 10": (
        lambda w: keep_only(w / "ordinary", 3),
        ('Only 3 usable ordinary pictures in "{work}/ordinary"', "add pictures there"),
    ),
    "fewer than 10 that can be read": (
        lambda w: [(w / "liked" / f"liked0{n}.png").write_bytes(b"x%d" % n) for n in range(5)],
        ("Only 9 usable liked pictures", "add pictures", "5 files were skipped", '"liked00.png"'),
    ),
    "the same picture in another format": (
        save_again,
        ("1 picture is in both", '"liked05.png" = "disguised.tif"', "remove it"),
    ),
}
BAD_FOLDERS = ("missing", "empty", "without pictures", "a file")


class TestSetsRefused:
    @pytest.mark.parametrize(
        ("command", "what"),
        [
            *(("train", what) for what in (*BAD_SETS, *BAD_FOR_TRAINING)),
            *(("evaluate", what) for what in BAD_SETS),
            *(("best", what) for what in BAD_FOLDERS),
        ],
    )
    def test_one_clear_message(
        self, command: str, what: str, work: Path, trained: Any, train: Ganrm, ganrm: Ganrm, listing: Listing
    ) -> None:
        spoil, parts = {**BAD_SETS, **BAD_FOR_TRAINING}[what]
        spoil(work)
        before = listing(work)
        if command == "train":
            ran = train("--output", work / "new" / "folder" / "a.safetensors")
        else:
            ran = ganrm(*call(command, trained.checkpoint, work))
        refused(ran, *(part.format(work=work) for part in parts))
        assert listing(work) == before

    def test_score_takes_a_file_for_a_picture(self, work: Path, trained: Any, ganrm: Ganrm) -> None:
        BAD_SETS["a file"][0](work)
        ran = ganrm("score", trained.checkpoint, work / "liked")
        assert (ran.code, "not a picture" in ran.err) == (2, True)
        ran = ganrm("score", trained.checkpoint, work / "gone")
        refused(ran, "no file or folder", str(work / "gone"), "Check the path")


def newer(checkpoint: Path) -> None:
    content = checkpoint.read_bytes()
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    card = {**json.loads(header["__metadata__"]["ganrm"]), "format_version": FORMAT_VERSION + 1}
    header["__metadata__"]["ganrm"] = json.dumps(card)
    text = json.dumps(header).encode()
    checkpoint.write_bytes(struct.pack("<Q", len(text)) + text + content[8 + length :])


def foreign(checkpoint: Path) -> None:
    from safetensors.numpy import save_file

    save_file({"w": np.ones(3)}, str(checkpoint))


def halved(checkpoint: Path) -> None:
    content = checkpoint.read_bytes()
    checkpoint.write_bytes(content[: len(content) // 2])


def without_head(checkpoint: Path) -> None:
    card = load_checkpoint(checkpoint).card
    save_checkpoint(Checkpoint({}, card), checkpoint, overwrite=True)


# what is wrong with the model → (how it came about, parts of the message)
BAD_MODELS: dict[str, tuple[Spoil, tuple[str, ...]]] = {
    "missing": (lambda m: m.unlink(), ("no checkpoint at", "{model}", "train one")),
    "cut short": (halved, ("{model}", "damaged", "train it anew")),
    "empty": (lambda m: m.write_bytes(b""), ("{model}", "damaged", "train it anew")),
    "a picture": (lambda m: m.write_bytes(PNG), ("{model}", "damaged", "train it anew")),
    "another safetensors file": (foreign, ("{model}", "not a GAN-RM checkpoint", "Choose a file")),
    "newer": (newer, ("{model}", f"format {FORMAT_VERSION + 1}", "Update it with: pip install --upgrade")),
    "without its head": (without_head, ("{model}", "part missing or damaged", "train it anew")),
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
    @pytest.fixture
    def checkpoint(self, trained: Any, make_clip_vision: Callable[..., Path], tmp_path: Path) -> Path:
        """A copy of the model and its backbone, and another backbone in the folder above."""
        make_clip_vision(tmp_path / "other.safetensors", seed=99)
        shutil.copytree(trained.checkpoint.parent, tmp_path / "models")
        return tmp_path / "models" / "taste.safetensors"

    @pytest.mark.parametrize("what", BAD_MODELS)
    def test_one_clear_message(
        self, what: str, checkpoint: Path, trained: Any, ganrm: Ganrm, listing: Listing
    ) -> None:
        spoil, parts = BAD_MODELS[what]
        spoil(checkpoint)
        before = listing(checkpoint.parent)
        ran = ganrm("score", checkpoint, trained.liked, "--json")
        refused(ran, *(part.format(model=checkpoint) for part in parts))
        assert listing(checkpoint.parent) == before

    @pytest.mark.parametrize("command", ["best", "evaluate", "info"])
    def test_by_every_command(
        self, command: str, checkpoint: Path, work: Path, ganrm: Ganrm, listing: Listing
    ) -> None:
        halved(checkpoint)
        before = listing(work)
        ran = ganrm("info", checkpoint) if command == "info" else ganrm(*call(command, checkpoint, work))
        refused(ran, str(checkpoint), "damaged", "train it anew")
        assert listing(work) == before


def no_new_files(code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """No file can be created. Works for root too, whom permissions do not stop."""
    real = os.open

    def guarded(path: Any, flags: int, *rest: int, **more: int) -> int:
        if flags & os.O_CREAT:
            raise OSError(code, os.strerror(code), str(path))
        return real(path, flags, *rest, **more)

    monkeypatch.setattr(os, "open", guarded)


def no_new_folders(code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Any, *_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code), str(path))

    monkeypatch.setattr(os, "mkdir", refuse)


def full_at_the_end(code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files can be created, but what is written does not reach the disk."""

    def refuse(_: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", refuse)


DISKS = {
    "read-only": (no_new_files, errno.EROFS, ("read-only", "Choose")),
    "without permission": (no_new_files, errno.EACCES, ("no permission", "Change the folder's permissions")),
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
            (["--output", "{work}/new/a.safetensors", "--report", "{work}/old.html"], ("already exists",)),
            (["--output", "{work}/a.safetensors", "--report", "{work}/a.safetensors"], ("ends in .html",)),
            (["--output", "{work}/old.html/a.safetensors"], ("old.html", "is a file, not a folder")),
            (["--output", "{work}/a.safetensors", "--seed", "-1"], ("seed is -1", "Use a whole number")),
            (["--output", "{work}/a.safetensors", "--views", "0"], ("views is 0", "Use 1 or more")),
            (["--output", "{work}/a.safetensors", "--backbone", "resnet"], ("'resnet'", "Use one of")),
        ],
    )
    def test_before_training(
        self, options: list[str], parts: tuple[str, ...], train: Ganrm, work: Path, listing: Listing
    ) -> None:
        for name in ("old.safetensors", "old.html"):
            (work / name).write_text("mine")
        before = listing(work)
        refused(train(*(option.format(work=work) for option in options)), *parts)
        assert listing(work) == before

    def test_a_report_that_cannot_be_drawn(
        self, train: Ganrm, work: Path, listing: Listing, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
        before = listing(work)
        ran = train("--output", work / "a.safetensors", "--report", work / "new" / "a.html")
        refused(ran, "need matplotlib", "pip install matplotlib, or leave out --report")
        assert listing(work) == before

    @pytest.mark.parametrize("command", ["train", "best"])
    @pytest.mark.parametrize("what", DISKS)
    def test_by_the_disk(
        self,
        what: str,
        command: str,
        train: Ganrm,
        work: Path,
        trained: Any,
        ganrm: Ganrm,
        listing: Listing,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        spoil, code, parts = DISKS[what]
        before = listing(work)
        spoil(code, monkeypatch)
        if command == "train":
            ran = train("--output", work / "new" / "a.safetensors")
        else:
            ran = ganrm(*call("best", trained.checkpoint, work, "--move"))
        refused(ran, str(work / "new"), *parts)
        found_out_late = "reading pictures" in ran.err or "scoring" in ran.err
        assert found_out_late == (spoil is full_at_the_end)
        assert listing(work) == before
