"""Streaming feature extraction from files: decodes ahead in threads and skips files whose features are cached."""

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

_LARGEST_GROUP = 64

Cached = TypeVar("Cached")


@dataclass(frozen=True)
class LoadedFile(Generic[Cached]):
    """A file's sha256 ("" without a cache), and either its cached value `kept` or the decoded `image`."""

    content: str
    kept: Cached | None
    image: Tensor | None


def load_unless_cached(
    path: Path,
    cached: Callable[[str], Cached | None],
    decoded: Callable[[str], Tensor | None] = lambda _: None,
) -> LoadedFile[Cached]:
    """Decode a picture file unless `cached`, called with its sha256, returns a value.

    `decoded` may return the picture from memory; it is called with "" without a cache, where no file is hashed.
    Raises ImageError for a file that cannot be read.
    """

    def picture(content: str) -> Tensor:
        image = decoded(content)
        return read_image(path) if image is None else image

    if kept_in() is None:
        return LoadedFile("", None, picture(""))
    try:
        content = content_hash(path)
    except ImageError:
        return LoadedFile("", None, read_image(path))  # whose error message says what is wrong
    found = cached(content)
    return LoadedFile(content, found, None if found is not None else picture(content))


@dataclass(frozen=True)
class _Prepared:
    """A file with its cached features `kept`, or else its picture as the extractor takes it."""

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
    """Yield groups of paths, in order and never empty, with their features [paths, width] on the CPU.

    `prepare` turns a picture, float [3, H, W] in 0–1, into the extractor's input. Memory does not grow with the
    number of files. Files that cannot be read are added to `skipped` and left out.
    """

    def prepared(_: int, path: Path) -> _Prepared:
        loaded = load_unless_cached(path, store.get)
        pixels = None if loaded.image is None else prepare(to_float(loaded.image))
        return _Prepared(path, loaded.content, loaded.kept, pixels)

    def in_one_thread(some: Sequence[Path]) -> tuple[list[tuple[list[Path], Tensor]], list[Skipped]]:
        left_out: list[Skipped] = []
        files = stream_files(some, prepared, workers=0, skipped=left_out)
        return [_features_of(group, reader, store) for group in _grouped(files, len(some))], left_out

    if reader.threads:
        for found, left_out in reader.in_groups(paths, in_one_thread):
            skipped += left_out
            yield from found
        return
    device = reader.device.type
    files = stream_files(
        paths, prepared, workers=decoders_beside(device), share=device != "cpu", skipped=skipped
    )
    for group in _grouped(files, reader.group_size):
        yield _features_of(group, reader, store)


def _grouped(files: Iterator[tuple[int, _Prepared]], size: int) -> Iterator[list[_Prepared]]:
    """Non-empty groups with `size` uncached files each, or `_LARGEST_GROUP` files where most are cached."""
    group: list[_Prepared] = []
    for _, file in files:
        group.append(file)
        if len(group) == _LARGEST_GROUP or sum(each.pixels is not None for each in group) == size:
            yield group
            group = []
    if group:
        yield group


def _features_of(
    group: Sequence[_Prepared], reader: FeatureExtractor, store: FeatureCache
) -> tuple[list[Path], Tensor]:
    """Paths and features of a non-empty group; new features go into the cache."""
    new = [each.pixels for each in group if each.pixels is not None]
    extracted = iter(reader(torch.stack(new)).cpu() if new else ())
    rows: list[Tensor] = []
    for each in group:
        if each.kept is not None:
            rows.append(each.kept[FEATURES])
        else:
            rows.append(next(extracted))
            store.put(each.content, {FEATURES: rows[-1]})
    return [each.path for each in group], torch.stack(rows)
