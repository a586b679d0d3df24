"""Three tables of unusual input: what is read rightly, what is skipped and named, and what is refused."""

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
import torch
from PIL import Image, ImageCms

from ganrm_core.data.image_io import MAX_PIXELS, read_image
from ganrm_core.rewards.discriminator.checkpoint import (
    FORMAT_VERSION,
    Checkpoint,
    load_checkpoint,
    save_checkpoint,
)
from ganrm_core.rewards.discriminator.reward_model import RewardModel
from ganrm_core.utils.errors import ImageError

Ganrm = Callable[..., Any]
Colour = tuple[int, int, int]
RED, BLUE, GREY = (255, 0, 0), (0, 0, 255), (128, 128, 128)
SIZE = (32, 24)


def solid(mode: str, colour: object, size: tuple[int, int] = SIZE) -> Image.Image:
    return Image.new(mode, size, colour)  # type: ignore[arg-type]


def encoded(picture: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def palette(**options: object) -> bytes:
    picture = solid("P", 1)
    picture.putpalette([255, 0, 0, 0, 0, 255])
    return encoded(picture, "PNG", **options)


def turned() -> bytes:
    """Stored lying, red to the left; upright, red is at the top."""
    picture = solid("RGB", BLUE, (32, 16))
    picture.paste(RED, (0, 0, 8, 16))
    exif = Image.Exif()
    exif[0x0112] = 6
    return encoded(picture, "JPEG", exif=exif, quality=95)


def swapped_profile() -> bytes:
    """A valid profile whose red and blue are exchanged: the effect is unmistakable."""
    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    for offset in range(132, 132 + 12 * struct.unpack_from(">I", data, 128)[0], 12):
        name = bytes(data[offset : offset + 4])
        if name in (b"rXYZ", b"bXYZ"):
            data[offset : offset + 4] = b"bXYZ" if name == b"rXYZ" else b"rXYZ"
    return bytes(data)


def animation(kind: str, **options: object) -> bytes:
    frames = [solid("RGB", colour) for colour in (RED, BLUE)]
    return encoded(frames[0], kind, save_all=True, append_images=frames[1:], duration=50, **options)


def sixteen_bit() -> bytes:
    return encoded(Image.fromarray(np.full(SIZE[::-1], 257 * 100, np.uint16)), "PNG")


def png(kind: str = "PNG") -> bytes:
    return encoded(solid("RGB", (10, 200, 30)), kind)


GREEN = (10, 200, 30)

# what → (name of the file, its content, colour of the top left pixel, tolerance)
DECODED: dict[str, tuple[str, Callable[[], bytes], Colour, int]] = {
    "CMYK JPEG": ("cmyk.jpg", lambda: encoded(solid("CMYK", (0, 255, 255, 0)), "JPEG"), RED, 4),
    "CMYK TIFF": ("cmyk.tif", lambda: encoded(solid("CMYK", (0, 255, 255, 0)), "TIFF"), RED, 0),
    "16 bits": ("deep.png", sixteen_bit, (100, 100, 100), 0),
    "palette": ("palette.png", palette, BLUE, 0),
    "palette with transparency": ("glass.png", lambda: palette(transparency=1), GREY, 0),
    "grey": ("grey.png", lambda: encoded(solid("L", 77), "PNG"), (77, 77, 77), 0),
    "grey with alpha": ("la.png", lambda: encoded(solid("LA", (255, 51)), "PNG"), (153, 153, 153), 1),
    "clear": ("clear.png", lambda: encoded(solid("RGBA", (9, 9, 9, 0)), "PNG"), GREY, 0),
    "half clear": ("half.webp", lambda: encoded(solid("RGBA", (255, 0, 0, 51)), "WEBP", lossless=True), (153, 102, 102), 1),
    "EXIF-rotated": ("turned.jpg", turned, RED, 4),
    "colour profile": ("tagged.png", lambda: encoded(solid("RGB", RED), "PNG", icc_profile=swapped_profile()), BLUE, 3),
    "animated GIF": ("moving.gif", lambda: animation("GIF"), RED, 0),
    "animated PNG": ("moving.png", lambda: animation("PNG"), RED, 0),
    "animated WebP": ("moving.webp", lambda: animation("WEBP", lossless=True), RED, 0),
    "JPEG called PNG": ("really a jpeg.png", lambda: encoded(solid("RGB", GREEN), "JPEG", quality=95), GREEN, 4),
    "PNG called JPEG": ("really a png.JPG", png, GREEN, 0),
    "1 pixel wide": ("thin.png", lambda: encoded(solid("RGB", GREEN, (1, 300)), "PNG"), GREEN, 0),
    "1 pixel": ("dot.png", lambda: encoded(solid("RGB", GREEN, (1, 1)), "PNG"), GREEN, 0),
    "spaces": (" with  spaces .png", png, GREEN, 0),
    "quotes": ("it's \"quoted\" `here`.png", png, GREEN, 0),
    "a line break": ("two\nlines.png", png, GREEN, 0),
    "other scripts": ("名前 é 🎨.png", png, GREEN, 0),
    "pattern characters": ("[a-z]*?{1}$HOME%s.png", png, GREEN, 0),
}  # fmt: skip


@pytest.fixture(scope="module")
def scored(trained: Any, tmp_path_factory: pytest.TempPathFactory, ganrm: Ganrm) -> tuple[Path, Any]:
    """All of them in one folder, and what `ganrm score` says."""
    folder = tmp_path_factory.mktemp("unusual pictures")
    for name, make, _, _ in DECODED.values():
        (folder / name).write_bytes(make())
    return folder, ganrm("score", trained.checkpoint, folder, "--json")


class TestDecodedRightly:
    def test_no_message(self, scored: tuple[Path, Any]) -> None:
        _, ran = scored
        assert (ran.code, ran.err, len(ran.json)) == (0, "", len(DECODED))

    @pytest.mark.parametrize("what", DECODED)
    def test_its_pixels_and_its_score(self, what: str, scored: tuple[Path, Any], model: RewardModel) -> None:
        name, _, colour, tolerance = DECODED[what]
        folder, ran = scored
        image = read_image(folder / name)
        assert (image[:, 0, 0].int() - torch.tensor(colour)).abs().max() <= tolerance
        (line,) = (line for line in ran.json if line["file"] == str(folder / name))
        assert 0 <= line["score"] <= 1
        if what == "EXIF-rotated":
            assert image.shape[1:] == (32, 16)
            return
        as_decoded = torch.tensor(colour).view(1, 1, 1, 3).expand(1, *image.shape[1:], 3) / 255
        expected = float(model.score(as_decoded).logit)
        # A step or two of 8 bits move a logit a little.
        assert line["logit"] == pytest.approx(expected, abs=1e-4 if tolerance == 0 else 0.5)


def cut_short() -> bytes:
    whole = encoded(Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)), "PNG")
    return whole[: len(whole) // 2]


def bomb() -> bytes:
    """A few bytes that claim to be 16385 × 16384 pixels."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = struct.pack(">IIBBBBB", MAX_PIXELS // 16384 + 1, 16384, 8, 0, 0, 0, 0)
    chunks = [(b"IHDR", head), (b"IDAT", zlib.compress(b"")), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*entry) for entry in chunks)


# name of the file → (its content, what is said of it)
SKIPPED: dict[str, tuple[Callable[[], bytes], str]] = {
    "bomb.png": (bomb, "16385 × 16384 pixels are more than"),
    "cut.png": (cut_short, "damaged or cut short"),
    "empty.jpg": (lambda: b"", "empty (0 bytes)"),
    "page.webp": (lambda: b"<html>404 not found</html>", "not a picture in a known format"),
}


@pytest.fixture
def work(trained: Any, tmp_path: Path) -> Path:
    """A folder with copies of both sets, that a test may spoil."""
    shutil.copytree(trained.liked, tmp_path / "liked")
    shutil.copytree(trained.ordinary, tmp_path / "ordinary")
    return tmp_path


class TestSkippedAndNamed:
    @pytest.mark.parametrize("command", ["train", "score", "best", "evaluate"])
    def test_counted_and_named(
        self, command: str, work: Path, trained: Any, tiny_transformer: str, ganrm: Ganrm
    ) -> None:
        for name, (make, _) in SKIPPED.items():
            (work / "liked" / name).write_bytes(make())
        sets = ["--liked", work / "liked", "--ordinary", work / "ordinary"]
        quick = ["--backbone", tiny_transformer, "--preset", "paper", "--json"]
        ran = ganrm(
            *{
                "train": ["train", *sets, *quick, "--output", work / "a.safetensors"],
                "score": ["score", trained.checkpoint, work / "liked", "--json"],
                "best": ["best", trained.checkpoint, work / "liked", "--keep", 99, "--output", work / "best"],
                "evaluate": ["evaluate", trained.checkpoint, *sets, "--json"],
            }[command]
        )
        assert ran.code == 0
        (message,) = re.findall(r"^ganrm: (4 files were skipped: .*)$", ran.err, re.MULTILINE)
        for name, (_, reason) in SKIPPED.items():
            assert re.search(rf'"{re.escape(name)}" \([^"]*{re.escape(reason)}', message), (name, message)
        if command in ("train", "evaluate"):
            assert (ran.json[0]["n_liked"], ran.json[0]["n_ordinary"]) == (14, 15)
            assert len(ran.json[0]["skipped"]) == 4
        elif command == "score":
            assert ["skipped" in line for line in ran.json] == [False] * 14 + [True] * 4
        else:
            assert len(list((work / "best").glob("liked*.png"))) == 14

    @pytest.mark.parametrize("command", ["score", "best", "evaluate"])
    def test_none_can_be_read(self, command: str, work: Path, trained: Any, ganrm: Ganrm) -> None:
        shutil.rmtree(work / "liked")
        (work / "liked").mkdir()
        for name, (make, _) in SKIPPED.items():
            (work / "liked" / name).write_bytes(make())
        sets = ["--liked", work / "liked", "--ordinary", work / "ordinary"]
        before = listing(work)
        ran = ganrm(
            *{
                "score": ["score", trained.checkpoint, work / "liked"],
                "best": ["best", trained.checkpoint, work / "liked", "--output", work / "best"],
                "evaluate": ["evaluate", trained.checkpoint, *sets],
            }[command]
        )
        assert ran.code == 2
        assert len(re.findall("^ganrm: ", ran.err, re.MULTILINE)) == 1
        assert listing(work) == before


def listing(folder: Path) -> dict[str, bytes]:
    """Everything below `folder`, with its content."""
    return {str(path): path.read_bytes() if path.is_file() else b"" for path in folder.rglob("*")}


def refused(ran: Any, *parts: str) -> None:
    """Exit code 2 and one line that has all these parts, in this order."""
    assert ran.code == 2
    assert ran.out == ""
    assert "Traceback" not in ran.err
    *bars, message = ran.err.rstrip("\n").split("\n")
    assert message.startswith("ganrm: ")
    assert not any("ganrm" in line for line in bars)
    assert re.search(".*".join(re.escape(part) for part in parts), message), message


Spoil = Callable[[Path], object]


def keep_only(folder: Path, count: int) -> None:
    for path in sorted(folder.iterdir())[count:]:
        path.unlink()


def put_links(work: Path) -> None:
    shutil.rmtree(work / "ordinary")
    (work / "ordinary").symlink_to(work / "liked", target_is_directory=True)


def remake(work: Path, *files: str) -> None:
    shutil.rmtree(work / "liked")
    (work / "liked").mkdir()
    for name in files:
        (work / "liked" / name).write_bytes(b"x")


def save_again(work: Path) -> None:
    with Image.open(work / "liked" / "liked05.png") as picture:
        picture.save(work / "ordinary" / "disguised.tif")


# what is wrong with the sets → (how it came about, parts of the message)
BAD_SETS: dict[str, tuple[Spoil, tuple[str, ...]]] = {
    "missing": (lambda w: shutil.rmtree(w / "liked"), ("no folder", "{work}/liked", "Check the path")),
    "empty": (lambda w: remake(w), ("{work}/liked", "is empty", "Put pictures in it")),
    "without pictures": (
        lambda w: remake(w, "notes.txt", "clip.mp4"),
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

# as above, but no obstacle to measuring a model
BAD_FOR_TRAINING: dict[str, tuple[Spoil, tuple[str, ...]]] = {
    "fewer than 10": (
        lambda w: keep_only(w / "liked", 9),
        ('Only 9 usable liked pictures in "{work}/liked"', "add pictures there"),
    ),
    "fewer than 10 of the other": (
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


class TestSetsRefused:
    @pytest.mark.parametrize("what", [*BAD_SETS, *BAD_FOR_TRAINING])
    def test_for_training(self, what: str, work: Path, tiny_transformer: str, ganrm: Ganrm) -> None:
        spoil, parts = {**BAD_SETS, **BAD_FOR_TRAINING}[what]
        spoil(work)
        before = listing(work)
        ran = ganrm(
            *("train", "--liked", work / "liked", "--ordinary", work / "ordinary"),
            *("--backbone", tiny_transformer, "--output", work / "new" / "folder" / "a.safetensors"),
        )
        refused(ran, *(part.format(work=work) for part in parts))
        assert listing(work) == before

    @pytest.mark.parametrize("what", BAD_SETS)
    def test_for_measuring(self, what: str, work: Path, trained: Any, ganrm: Ganrm) -> None:
        spoil, parts = BAD_SETS[what]
        spoil(work)
        before = listing(work)
        ran = ganrm(
            "evaluate", trained.checkpoint, "--liked", work / "liked", "--ordinary", work / "ordinary"
        )
        refused(ran, *(part.format(work=work) for part in parts))
        assert listing(work) == before

    @pytest.mark.parametrize("what", ["missing", "empty", "without pictures", "a file"])
    @pytest.mark.parametrize("command", ["score", "best"])
    def test_for_scoring(self, command: str, what: str, work: Path, trained: Any, ganrm: Ganrm) -> None:
        spoil, parts = BAD_SETS[what]
        spoil(work)
        before = listing(work)
        output = ["--output", work / "new" / "best"] if command == "best" else []
        ran = ganrm(command, trained.checkpoint, work / "liked", *output)
        assert ran.code == 2
        if command == "best":
            refused(ran, *(part.format(work=work) for part in parts))
        elif what == "missing":
            refused(ran, "no file or folder", str(work / "liked"), "Check the path")
        elif what == "a file":  # is taken for a picture
            assert "not a picture" in ran.err
        assert listing(work) == before


def newer(checkpoint: Path) -> None:
    content = checkpoint.read_bytes()
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    card = {**json.loads(header["__metadata__"]["ganrm"]), "format_version": FORMAT_VERSION + 1}
    header["__metadata__"]["ganrm"] = json.dumps(card)
    text = json.dumps(header).encode()
    checkpoint.write_bytes(struct.pack("<Q", len(text)) + text + content[8 + length :])


def foreign(checkpoint: Path) -> None:
    from safetensors.torch import save_file

    save_file({"w": torch.ones(3)}, str(checkpoint))


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
    "a picture": (lambda m: m.write_bytes(png()), ("{model}", "damaged", "train it anew")),
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


@pytest.fixture(scope="module")
def small(
    tiny_file: Path,
    make_clip_vision: Callable[..., Path],
    untrained_model: Callable[[str], RewardModel],
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """A folder with a checkpoint, its backbone in a file beside it, and another backbone above it."""
    folder = tmp_path_factory.mktemp("small") / "models"
    folder.mkdir()
    shutil.copy(tiny_file, folder / "tiny.safetensors")
    make_clip_vision(folder.parent / "other.safetensors", seed=99)
    untrained_model(f"file:{tiny_file}").save(folder / "taste.safetensors")
    return folder.parent


class TestModelRefused:
    @pytest.mark.parametrize("command", ["score", "best", "evaluate"])
    @pytest.mark.parametrize("what", BAD_MODELS)
    def test_one_clear_message(self, what: str, command: str, small: Path, work: Path, ganrm: Ganrm) -> None:
        shutil.copytree(small, work, dirs_exist_ok=True)
        model = work / "models" / "taste.safetensors"
        spoil, parts = BAD_MODELS[what]
        spoil(model)
        before = listing(work)
        ran = ganrm(
            *{
                "score": ["score", model, work / "liked", "--json"],
                "best": ["best", model, work / "liked", "--output", work / "new" / "best"],
                "evaluate": ["evaluate", model, "--liked", work / "liked", "--ordinary", work / "ordinary"],
            }[command]
        )
        refused(ran, *(part.format(model=model) for part in parts))
        assert listing(work) == before

    @pytest.mark.parametrize("what", ["missing", "cut short", "another safetensors file", "newer"])
    def test_by_info_too(self, what: str, small: Path, work: Path, ganrm: Ganrm) -> None:
        shutil.copytree(small, work, dirs_exist_ok=True)
        model = work / "models" / "taste.safetensors"
        spoil, parts = BAD_MODELS[what]
        spoil(model)
        refused(ganrm("info", model), *(part.format(model=model) for part in parts))

    def test_the_good_one_is_not(self, small: Path, work: Path, ganrm: Ganrm) -> None:
        ran = ganrm("score", small / "models" / "taste.safetensors", work / "liked", "--json")
        assert (ran.code, ran.err, len(ran.json)) == (0, "", 14)


BAD_TENSORS: dict[str, tuple[torch.Tensor, str]] = {
    "NaN": (torch.full((1, 8, 8, 3), float("nan")), r"Image 2 of 3 \(index 1\) holds NaN.*fp32"),
    "infinity": (torch.full((1, 8, 8, 3), float("inf")), r"Image 2 of 3 \(index 1\) holds infinite.*fp32"),
    "0 to 255": (torch.full((1, 8, 8, 3), 200.0), r"Image 2 of 3 .*200.*Divide it by 255"),
    "-1 to 1": (torch.full((1, 8, 8, 3), -1.0), r"Image 2 of 3 .*-1.*\(x \+ 1\) / 2"),
    "far over 1": (torch.full((1, 8, 8, 3), 1.9), r"Image 2 of 3 .*1\.9.*Clamp"),
    "whole numbers": (
        torch.ones(1, 8, 8, 3, dtype=torch.uint8),
        r"Image 2 of 3 .*whole numbers.*divide by 255",
    ),
    "5 axes": (torch.rand(1, 1, 8, 8, 3), r"Image 2 of 3 .*\(1, 1, 8, 8, 3\)\. Pass \[B, H, W, C\]"),
    "2 axes": (torch.rand(8, 8), r"Image 2 of 3 .*\(8, 8\)\. Pass \[B, H, W, C\]"),
    "2 channels": (torch.rand(1, 8, 8, 2), r"Image 2 of 3 .*\(1, 8, 8, 2\).*no axis holds 1, 3 or 4.*Pass"),
    "5 channels": (torch.rand(1, 8, 8, 5), r"Image 2 of 3 .*\(1, 8, 8, 5\).*no axis holds 1, 3 or 4.*Pass"),
    "no pixels": (torch.rand(1, 0, 8, 3), r"Image 2 of 3 .*no pixels.*Leave it out"),
}


class TestTensorsRefused:
    @pytest.mark.parametrize("what", BAD_TENSORS)
    def test_the_image_is_named(self, what: str, model: RewardModel) -> None:
        bad, message = BAD_TENSORS[what]
        with pytest.raises(ImageError, match=message) as caught:
            model.score([torch.rand(8, 8, 3), bad, torch.rand(4, 9, 3)])
        assert "\n" not in str(caught.value)

    @pytest.mark.parametrize("value", [float("nan"), float("inf"), 2.0, -0.6])
    def test_one_pixel_of_a_batch_is_enough(self, value: float, model: RewardModel) -> None:
        batch = torch.rand(4, 8, 8, 3)
        batch[2, 5, 6, 1] = value
        with pytest.raises(ImageError, match=r"Image 3 of 4 \(index 2\)"):
            model.score(batch)


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
    "read-only": (no_new_files, errno.EROFS, ("the disk is read-only", "Choose a folder")),
    "without permission": (no_new_files, errno.EACCES, ("no permission", "Change the folder's permissions")),
    "full": (no_new_files, errno.ENOSPC, ("the disk is full", "Free some space")),
    "full at the end": (full_at_the_end, errno.ENOSPC, ("the disk is full", "Free some space")),
}


class TestOutputRefused:
    @pytest.fixture
    def train(self, work: Path, tiny_transformer: str, ganrm: Ganrm) -> Ganrm:
        sets = ["--liked", work / "liked", "--ordinary", work / "ordinary"]
        return lambda *options: ganrm(
            "train", *sets, "--backbone", tiny_transformer, "--preset", "paper", *options
        )

    @pytest.mark.parametrize("kind", ["file", "folder", "link to nowhere"])
    def test_the_model_exists(self, kind: str, train: Ganrm, work: Path) -> None:
        output = work / "old.safetensors"
        if kind == "file":
            output.write_text("mine")
        elif kind == "folder":
            output.mkdir()
        else:
            output.symlink_to(work / "gone")
        before = listing(work)
        refused(train("--output", output), str(output), "already exists", "Choose another name")
        assert listing(work) == before

    def test_the_report_exists(self, train: Ganrm, work: Path) -> None:
        (work / "old.html").write_text("mine")
        before = listing(work)
        ran = train("--output", work / "new" / "a.safetensors", "--report", work / "old.html")
        refused(ran, str(work / "old.html"), "already exists", "Choose another name")
        assert listing(work) == before

    def test_a_report_that_cannot_be_drawn(
        self, train: Ganrm, work: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
        before = listing(work)
        ran = train("--output", work / "a.safetensors", "--report", work / "new" / "a.html")
        refused(ran, "need matplotlib", "pip install matplotlib, or leave out --report")
        assert listing(work) == before

    @pytest.mark.parametrize(
        ("options", "parts"),
        [
            (["--output", "{work}/a.ckpt"], ('"a.ckpt"', "ends in .safetensors")),
            (["--output", "{work}/new/a"], ('"a"', "ends in .safetensors")),
            (["--output", "{work}/a.safetensors", "--report", "{work}/a.safetensors"], ("ends in .html",)),
            (
                ["--output", "{work}/liked/liked00.png/a.safetensors"],
                ("liked00.png", "is a file, not a folder"),
            ),
            (["--output", "{work}/a.safetensors", "--seed", "-1"], ("seed is -1", "Use a whole number")),
            (["--output", "{work}/a.safetensors", "--views", "0"], ("views is 0", "Use 1 or more")),
            (["--output", "{work}/a.safetensors", "--backbone", "resnet"], ("'resnet'", "Use one of")),
        ],
    )
    def test_what_cannot_be(
        self, options: list[str], parts: tuple[str, ...], train: Ganrm, work: Path
    ) -> None:
        before = listing(work)
        refused(train(*(option.format(work=work) for option in options)), *parts)
        assert listing(work) == before

    @pytest.mark.parametrize("what", DISKS)
    def test_training(self, what: str, train: Ganrm, work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        spoil, code, parts = DISKS[what]
        before = listing(work)
        spoil(code, monkeypatch)
        ran = train("--output", work / "new" / "a.safetensors")
        refused(ran, str(work / "new" / "a.safetensors"), *parts)
        assert ("reading pictures" in ran.err) == (spoil is full_at_the_end), "found out late"
        assert listing(work) == before

    @pytest.mark.parametrize("what", DISKS)
    def test_selecting(
        self, what: str, work: Path, trained: Any, ganrm: Ganrm, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        spoil, code, parts = DISKS[what]
        before = listing(work)
        spoil(code, monkeypatch)
        ran = ganrm("best", trained.checkpoint, work / "liked", "--move", "--output", work / "new" / "best")
        refused(ran, str(work / "new" / "best"), *parts)
        assert ("scoring" in ran.err) == (spoil is full_at_the_end), "found out late"
        assert listing(work) == before

    def test_a_folder_that_cannot_be_made(
        self, train: Ganrm, work: Path, trained: Any, ganrm: Ganrm, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        before = listing(work)
        no_new_folders(errno.EROFS, monkeypatch)
        refused(train("--output", work / "new" / "a.safetensors"), str(work / "new"), "read-only", "Choose")
        ran = ganrm("best", trained.checkpoint, work / "liked", "--output", work / "best")
        refused(ran, str(work / "best"), "Read-only", "Choose")
        assert listing(work) == before

    @pytest.mark.parametrize("mode", ["--copy", "--move"])
    def test_the_disk_fills_up_while_pictures_are_placed(
        self, mode: str, work: Path, trained: Any, ganrm: Ganrm, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        real, written = os.fsync, 0

        def filling_up(descriptor: int) -> None:
            nonlocal written
            written += 1
            if written > 12:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            real(descriptor)

        def no_link(source: Any, target: Any) -> None:
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), str(source), None, str(target))

        before = {path.name: path.read_bytes() for path in (work / "liked").iterdir()}
        monkeypatch.setattr(os, "fsync", filling_up)
        monkeypatch.setattr(os, "link", no_link)  # another disk
        ran = ganrm("best", trained.checkpoint, work / "liked", "--keep", 9, mode, "--output", work / "best")
        refused(ran, "the disk is full", "Free some space")
        left = {path.name: path.read_bytes() for path in (work / "liked").iterdir()}
        placed = {path.name: path.read_bytes() for path in (work / "best").glob("*.png")}
        assert {**left, **placed} == before
        assert not list((work / "best").glob(".*"))
        if mode == "--copy":  # taken back, which makes room, and lets the next run have the same folder
            assert left == before
            assert not placed
        else:
            assert 0 < len(placed) < 9
