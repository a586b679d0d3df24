"""Picture files to feature vectors, decoding ahead, and from the store what is there already."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import torch
from torch import Tensor

from ...data.content_hash import content_hash
from ...data.image_io import read_image, to_float
from ...data.skipped_files import Skipped
from ...data.streaming import decoders_beside, stream_files
from ...utils.disk_cache import kept_in
from ...utils.errors import ImageError
from .feature_cache import FEATURES, FeatureCache
from .feature_extractor import FeatureExtractor

_MOST_TOGETHER = 64

Kept = TypeVar("Kept")


@dataclass(frozen=True)
class Seen(Generic[Kept]):
    """A file: the sha256 of its content ("" where nothing is kept), and what is kept of it or else the picture."""

    content: str
    kept: Kept | None
    image: Tensor | None


def look(
    path: Path, kept: Callable[[str], Kept | None], decoded: Callable[[str], Tensor | None] = lambda _: None
) -> Seen[Kept]:
    """Decode the file unless `kept`, asked with its sha256, has what is needed, or `decoded` the picture.

    `decoded` is asked with "" where nothing is kept: then the file is not hashed.
    Raises ImageError for a file that cannot be read.
    """

    def picture(content: str) -> Tensor:
        image = decoded(content)
        return read_image(path) if image is None else image

    if kept_in() is None:
        return Seen("", None, picture(""))
    try:
        content = content_hash(path)
    except ImageError:
        return Seen("", None, read_image(path))  # which says in its own words what is wrong
    found = kept(content)
    return Seen(content, found, None if found is not None else picture(content))


@dataclass(frozen=True)
class _Ready:
    """A file whose features are kept, or else its picture as the reader takes it."""

    path: Path
    content: str
    kept: dict[str, Tensor] | None
    pixels: Tensor | None


def stream_features(
    paths: Sequence[Path],
    reader: FeatureExtractor,
    prepare: Callable[[Tensor], Tensor],
    store: FeatureCache,
    skipped: list[Skipped],
) -> Iterator[tuple[list[Path], Tensor]]:
    """Yield some paths after the other, in order and never none, with their features [paths, width] on the CPU.

    `prepare` makes a picture, float [3, H, W] in 0–1, what `reader` takes. Memory does not grow with the
    number of files. Files that cannot be read are added to `skipped` and left out.
    """

    def ready(_: int, path: Path) -> _Ready:
        seen = look(path, store.get)
        return _Ready(
            path, seen.content, seen.kept, None if seen.image is None else prepare(to_float(seen.image))
        )

    def alone(some: Sequence[Path]) -> tuple[list[tuple[list[Path], Tensor]], list[Skipped]]:
        left_out: list[Skipped] = []
        each_ready = stream_files(some, ready, workers=0, skipped=left_out)
        return [_read(group, reader, store) for group in _grouped(each_ready, len(some))], left_out

    if reader.threads:
        for found, left_out in reader.in_groups(paths, alone):
            skipped += left_out
            yield from found
        return
    device = reader.device.type
    each_ready = stream_files(
        paths, ready, workers=decoders_beside(device), share=device != "cpu", skipped=skipped
    )
    for group in _grouped(each_ready, reader.group_size):
        yield _read(group, reader, store)


def _grouped(each_ready: Iterator[tuple[int, _Ready]], size: int) -> Iterator[list[_Ready]]:
    """So many that `size` of them are new, or that none waits for long; never none."""
    group: list[_Ready] = []
    for _, ready in each_ready:
        group.append(ready)
        if len(group) == _MOST_TOGETHER or sum(each.pixels is not None for each in group) == size:
            yield group
            group = []
    if group:
        yield group


def _read(
    group: Sequence[_Ready], reader: FeatureExtractor, store: FeatureCache
) -> tuple[list[Path], Tensor]:
    """The paths of a group, which is not empty, and their features."""
    new = [each.pixels for each in group if each.pixels is not None]
    read = iter(reader(torch.stack(new)).cpu() if new else ())
    rows: list[Tensor] = []
    for each in group:
        if each.kept is not None:
            rows.append(each.kept[FEATURES])
        else:
            rows.append(next(read))
            store.put(each.content, {FEATURES: rows[-1]})
    return [each.path for each in group], torch.stack(rows)
