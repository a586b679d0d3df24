"""Streaming of decoded files: order, prefetching, skipped files, and threads that end."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

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


def decoders() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("ganrm-worker")]


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
    assert all(image.dtype == torch.uint8 for _, image in seen)
    assert [entry.path for entry in skipped] == [paths[0], paths[3], paths[5]]
    for entry, reason in zip(skipped, ("empty", "not a picture", "not there"), strict=True):
        assert reason in entry.reason
    assert decoders() == []


def test_on_a_cpu_threads_take_only_idle_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    monkeypatch.setattr(streaming, "DECODERS", 3)
    for busy, expected in ((1, 3), (3, 1), (4, 0), (8, 0)):
        monkeypatch.setattr(torch, "get_num_threads", lambda busy=busy: busy)
        assert decoders_beside("cpu") == expected
        assert decoders_beside("cuda") == 3


def test_few_wait_decoded(tmp_path: Path) -> None:
    lock, alive, most = threading.Lock(), 0, 0

    class Counted:
        def __init__(self) -> None:
            nonlocal alive, most
            with lock:
                alive += 1
                most = max(most, alive)

        def __del__(self) -> None:
            nonlocal alive
            with lock:
                alive -= 1

    paths = [tmp_path / str(n) for n in range(200)]
    count = sum(1 for _ in stream_files(paths, lambda *_: Counted(), workers=3, prefetch=4, skipped=[]))
    assert count == 200
    # the 4 in the queue, the one handed out, and the one that replaced it in the queue
    assert most <= 6
    assert alive <= 1


@pytest.mark.parametrize("ending", ["close", "raise", "drop"])
def test_threads_end_with_the_generator(ending: str, tmp_path: Path) -> None:
    stream: Any = stream_images(pictures(tmp_path, 30), skipped=[])
    assert next(stream)[0] == 0
    assert decoders() != []
    if ending == "close":
        stream.close()
    elif ending == "raise":
        with pytest.raises(KeyboardInterrupt):
            stream.throw(KeyboardInterrupt)
    else:
        del stream
    assert decoders() == []


@pytest.mark.parametrize("workers", [0, 4])
def test_a_bug_is_not_taken_for_a_bad_file(workers: int, tmp_path: Path) -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError("a bug")

    skipped: list[Skipped] = []
    with pytest.raises(RuntimeError, match="a bug"):
        list(stream_files([tmp_path / "a.png"] * 9, fail, workers=workers, skipped=skipped))
    assert skipped == []
    assert decoders() == []


@pytest.mark.parametrize("wrong", [{"workers": -1}, {"prefetch": 0}])
def test_settings(wrong: dict[str, int]) -> None:
    assert list(stream_images([], skipped=[])) == []
    with pytest.raises(ValueError, match="or more"):
        list(stream_images([], skipped=[], **wrong))


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


# What Python and PyTorch's allocators on Linux and Windows raise.
OUT_OF_MEMORY = [
    MemoryError(),
    RuntimeError(
        "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to "
        "allocate 1728000000 bytes. Error code 12 (Cannot allocate memory)"
    ),
    RuntimeError(
        "[enforce fail at alloc_cpu.cpp:80] data. DefaultCPUAllocator: not enough memory: you tried …"
    ),
]


@pytest.mark.parametrize("error", OUT_OF_MEMORY)
def test_a_picture_too_large_for_memory_is_named(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = pictures(tmp_path, 3)

    def read(_: int, path: Path) -> torch.Tensor:
        if path == paths[1]:
            raise error
        return to_float(read_image(path))

    skipped: list[Skipped] = []
    assert [index for index, _ in stream_files(paths, read, skipped=skipped)] == [0, 2]
    assert [entry.path for entry in skipped] == [paths[1]]
    assert "not enough memory" in skipped[0].reason
    monkeypatch.setattr(base, "to_float", lambda _: read(0, paths[1]))
    for picture in (paths[1], Image.open(paths[1])):
        with pytest.raises(ImageError, match=r"there is not enough memory for it.*smaller size"):
            opened(picture)


LIMITED = """
import resource, sys
from pathlib import Path
import torch
from ganrm_core.data.image_io import read_image, to_float
from ganrm_core.data.streaming import stream_files
paths = [Path(name) for name in sys.argv[1:]]
to_float(read_image(paths[1]))  # whatever is loaded on first use
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
for megabytes in (25, 50, 112):
    resource.setrlimit(resource.RLIMIT_AS, (used + megabytes * 2**20, -1))
    skipped = []
    found = [i for i, _ in stream_files(paths, lambda _, p: to_float(read_image(p)), workers=0, skipped=skipped)]
    print(found, [(each.path.name, each.reason) for each in skipped])
"""


# 3000 × 3000 pixels are 36 MB in Pillow, 27 MB as a tensor and 108 MB as floats.
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="address space is limited on Linux only")
def test_with_too_little_address_space_the_rest_is_read(tmp_path: Path) -> None:
    huge, small = tmp_path / "huge.png", pictures(tmp_path, 1)[0]
    Image.new("L", (3000, 3000), 9).convert("RGB").save(huge, compress_level=1)
    ran = subprocess.run(
        [sys.executable, "-c", LIMITED, str(huge), str(small)],
        capture_output=True, text=True, cwd=Path(__file__).parents[3],
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.splitlines() == ["[1] [('huge.png', 'there is not enough memory for it')]"] * 3
