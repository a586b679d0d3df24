"""Picture files to feature vectors, decoding ahead, and from the store what is there already."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import torch
from torch import Tensor

from .disk_cache import kept_in
from .errors import ImageError
from .feature_store import FEATURES, FeatureStore
from .features import FeatureReader
from .images import read_image, to_float
from .imagesets import Skipped, content_hash, decoders_beside, stream_files

_MOST_TOGETHER = 64

Kept = TypeVar("Kept")


@dataclass(frozen=True)
class Seen(Generic[Kept]):
    """A file: the sha256 of its content ("" where nothing is kept), and what is kept of it or else the picture."""

    content: str
    kept: Kept | None
    image: Tensor | None


def look(path: Path, kept: Callable[[str], Kept | None]) -> Seen[Kept]:
    """Decode the file unless `kept`, asked with its sha256, already has what is needed.

    Raises ImageError for a file that cannot be read.
    """
    if kept_in() is None:
        return Seen("", None, read_image(path))
    try:
        content = content_hash(path)
    except ImageError:
        return Seen("", None, read_image(path))  # which says in its own words what is wrong
    found = kept(content)
    return Seen(content, found, None if found is not None else read_image(path))


_Pair = tuple[Seen[dict[str, Tensor]], Tensor | None]
"""A file seen, and its picture as the reader takes it unless its features are kept."""


def stream_features(
    paths: Sequence[Path],
    reader: FeatureReader,
    prepare: Callable[[Tensor], Tensor],
    store: FeatureStore,
    skipped: list[Skipped],
) -> Iterator[tuple[list[Path], Tensor]]:
    """Yield some paths after the other, in order, with their features [paths, width] on the CPU.

    `prepare` makes a picture, float [3, H, W] in 0–1, what `reader` takes. Memory does not grow with the
    number of files. Files that cannot be read are added to `skipped` and left out.
    """
    waiting: list[Path] = []
    found: list[_Pair] = []
    new = 0
    looks = stream_files(
        paths,
        lambda _, path: look(path, store.get),
        workers=decoders_beside(reader.device.type),
        skipped=skipped,
    )
    for index, seen in looks:
        prepared = None if seen.image is None else prepare(to_float(seen.image))
        waiting.append(paths[index])
        found.append((Seen(seen.content, seen.kept, None), prepared))
        new += prepared is not None
        if new == reader.group_size or len(waiting) == _MOST_TOGETHER:
            yield waiting, _resolved(found, reader, store)
            waiting, found, new = [], [], 0
    if waiting:
        yield waiting, _resolved(found, reader, store)


def _resolved(found: Sequence[_Pair], reader: FeatureReader, store: FeatureStore) -> Tensor:
    prepared = [pixels for _, pixels in found if pixels is not None]
    read = iter(reader(torch.stack(prepared)).cpu() if prepared else ())
    rows: list[Tensor] = []
    for seen, pixels in found:
        if pixels is None:
            assert seen.kept is not None
            rows.append(seen.kept[FEATURES])
        else:
            rows.append(next(read))
            store.put(seen.content, {FEATURES: rows[-1]})
    return torch.stack(rows)
