"""Pictures that do not fit into main memory: named and skipped, in every way of reading them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from ganrm_core.data import image_io
from ganrm_core.data.image_io import read_image, to_float
from ganrm_core.data.skipped_files import Skipped
from ganrm_core.data.streaming import stream_files
from ganrm_core.rewards import base
from ganrm_core.rewards.base import opened
from ganrm_core.utils.errors import ImageError

# What PyTorch's allocators say on Linux, Windows and a graphics card.
ALLOCATORS = [
    MemoryError(),
    RuntimeError(
        "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to "
        "allocate 1728000000 bytes. Error code 12 (Cannot allocate memory)"
    ),
    RuntimeError(
        "[enforce fail at alloc_cpu.cpp:80] data. DefaultCPUAllocator: not enough memory: you tried …"
    ),
]


def two_files(folder: Path) -> list[Path]:
    paths = [folder / "huge.png", folder / "small.png"]
    Image.new("RGB", (60, 40), (1, 2, 3)).save(paths[0])
    Image.new("RGB", (6, 4), (1, 2, 3)).save(paths[1])
    return paths


@pytest.mark.parametrize("error", ALLOCATORS)
def test_a_stream_skips_and_names_it(error: Exception, tmp_path: Path) -> None:
    paths = two_files(tmp_path)

    def read(_: int, path: Path) -> torch.Tensor:
        image = read_image(path)
        if image.shape[-1] > 50:
            raise error
        return to_float(image)

    skipped: list[Skipped] = []
    found = list(stream_files(paths, read, skipped=skipped))
    assert [index for index, _ in found] == [1]
    assert [entry.path.name for entry in skipped] == ["huge.png"]
    assert "not enough memory" in skipped[0].reason


@pytest.mark.parametrize("error", ALLOCATORS)
def test_reading_names_it(error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise error

    path = two_files(tmp_path)[0]
    with monkeypatch.context() as patched:
        patched.setattr(base, "to_float", fail)
        for picture in (path, Image.open(path)):
            with pytest.raises(ImageError, match=r"there is not enough memory for it.*smaller size"):
                opened(picture)
    monkeypatch.setattr(image_io, "_as_tensor", fail)
    with pytest.raises(ImageError, match=r"huge\.png.*there is not enough memory for it.*smaller size"):
        read_image(path)


def test_other_errors_pass(tmp_path: Path) -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError("a bug")

    with pytest.raises(RuntimeError, match="a bug"):
        list(stream_files(two_files(tmp_path), fail, workers=0, skipped=[]))


LIMITED = """
import resource, sys
from pathlib import Path
import torch
from ganrm_core.images import read_image, to_float
from ganrm_core.imagesets import stream_files
paths = [Path(name) for name in sys.argv[1:]]
to_float(read_image(paths[1]))  # whatever is loaded on first use
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
for megabytes in (100, 200, 450):
    resource.setrlimit(resource.RLIMIT_AS, (used + megabytes * 2**20, -1))
    skipped = []
    found = [i for i, _ in stream_files(paths, lambda _, p: to_float(read_image(p)), workers=0, skipped=skipped)]
    print(found, [(each.path.name, each.reason) for each in skipped])
"""


# 6000 × 6000 pixels are 144 MB in Pillow, 108 MB as a tensor and 432 MB as floats.
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="address space is limited on Linux only")
def test_with_too_little_address_space_the_rest_is_read(tmp_path: Path) -> None:
    huge, small = two_files(tmp_path)
    Image.new("L", (6000, 6000), 9).convert("RGB").save(huge)
    ran = subprocess.run(
        [sys.executable, "-c", LIMITED, str(huge), str(small)],
        capture_output=True, text=True, cwd=Path(__file__).parents[3],
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    lines = ran.stdout.splitlines()
    assert len(lines) == 3
    assert all(line == "[1] [('huge.png', 'there is not enough memory for it')]" for line in lines)
