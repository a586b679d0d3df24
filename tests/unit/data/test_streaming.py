"""Streaming of decoded files: order, prefetching, skipped files, and threads that end."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any
from weakref import WeakSet

import pytest
import torch
from PIL import Image

from ganrm_core.data import streaming
from ganrm_core.data.image_io import read_image, to_float
from ganrm_core.data.skipped_files import Skipped, describe_skipped
from ganrm_core.data.streaming import decoders_beside, stream_files, stream_images
from ganrm_core.rewards import base
from ganrm_core.rewards.base import opened
from ganrm_core.utils.errors import ImageError


def pictures(folder: Path, count: int) -> list[Path]:
    """PNGs of growing width, each filled with its number."""
    paths = [folder / f"{n}.png" for n in range(count)]
    for n, path in enumerate(paths):
        Image.new("RGB", (n + 1, 2), (n, n, n)).save(path)
    return paths


def decoders() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("ganrm-worker")]


@pytest.mark.parametrize("workers", [0, 4])
def test_order_indices_sizes_and_skipped_files(workers: int, tmp_path: Path) -> None:
    paths = pictures(tmp_path, 20)
    paths[0].write_bytes(b"")
    paths[3].write_bytes(b"no picture")
    paths[5].unlink()
    skipped: list[Skipped] = []
    seen = list(stream_images(paths, workers=workers, prefetch=5, skipped=skipped))
    assert [index for index, _ in seen] == [n for n in range(20) if n not in (0, 3, 5)]
    assert all(image.shape == (3, 2, n + 1) and image[0, 0, 0] == n for n, image in seen)
    assert [entry.path for entry in skipped] == [paths[0], paths[3], paths[5]]
    assert "not a picture" in skipped[1].reason
    assert decoders() == []


def test_few_wait_decoded(tmp_path: Path) -> None:
    alive: WeakSet[torch.Tensor] = WeakSet()
    most: list[int] = []

    def read(*_: Any) -> torch.Tensor:
        image = torch.zeros(1)
        alive.add(image)
        most.append(len(alive))
        return image

    paths = [tmp_path / str(n) for n in range(100)]
    assert sum(1 for _ in stream_files(paths, read, workers=3, prefetch=4, skipped=[])) == 100
    # the 4 in the queue, the one handed out, and the one that replaced it in the queue
    assert max(most) <= 6
    assert len(alive) <= 1


def test_threads_end_with_the_generator(tmp_path: Path) -> None:
    stream: Any = stream_images(pictures(tmp_path, 30), skipped=[])
    assert next(stream)[0] == 0
    assert decoders() != []
    with pytest.raises(KeyboardInterrupt):
        stream.throw(KeyboardInterrupt)
    assert decoders() == []
    stream = stream_images(pictures(tmp_path, 30), skipped=[])
    next(stream)
    del stream
    assert decoders() == []


@pytest.mark.parametrize("workers", [0, 4])
def test_a_bug_is_not_taken_for_a_bad_file(workers: int, tmp_path: Path) -> None:
    skipped: list[Skipped] = []
    paths = [tmp_path / "a.png"] * 9
    with pytest.raises(ZeroDivisionError):
        list(stream_files(paths, lambda *_: torch.ones(1 // 0), workers=workers, skipped=skipped))
    assert skipped == []
    assert decoders() == []


def test_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    assert list(stream_images([], skipped=[])) == []
    for wrong in ({"workers": -1}, {"prefetch": 0}):
        with pytest.raises(ValueError, match="or more"):
            list(stream_images([], skipped=[], **wrong))
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    monkeypatch.setattr(streaming, "DECODERS", 3)
    for busy, expected in ((1, 3), (3, 1), (4, 0), (8, 0)):
        monkeypatch.setattr(torch, "get_num_threads", lambda busy=busy: busy)
        assert decoders_beside("cpu") == expected, "only idle cores"
        assert decoders_beside("cuda") == 3


def test_sentences_about_skipped_files() -> None:
    entries = [Skipped(Path(f"folder/{n}.png"), "it is empty") for n in range(7)]
    zero, one = '"0.png" (it is empty)', '"1.png" (it is empty)'
    assert describe_skipped([]) == ""
    assert describe_skipped(entries[:1]) == f"1 file was skipped: {zero}."
    assert describe_skipped(entries[:2]) == f"2 files were skipped: {zero} and {one}."
    assert describe_skipped(entries, limit=2) == f"7 files were skipped: {zero}, {one} and 5 more."
    awkward = describe_skipped([Skipped(Path("two\nlines\udcff.png"), "it is empty")])
    assert "\n" not in awkward
    awkward.encode("utf-8")


def test_a_picture_too_large_for_memory_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = pictures(tmp_path, 3)

    def read(_: int, path: Path) -> torch.Tensor:
        if path == paths[1]:
            torch.empty(1 << 52, dtype=torch.uint8)
        return to_float(read_image(path))

    skipped: list[Skipped] = []
    assert [index for index, _ in stream_files(paths, read, skipped=skipped)] == [0, 2]
    assert skipped == [Skipped(paths[1], "there is not enough memory for it")]
    monkeypatch.setattr(base, "to_float", lambda _: read(0, paths[1]))
    for picture in (paths[1], Image.open(paths[1])):
        with pytest.raises(ImageError, match=r"there is not enough memory for it.*smaller size"):
            opened(picture)
