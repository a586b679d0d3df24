"""Shortest path endings that tell files apart."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path


def short_names(paths: Sequence[Path], among: Sequence[Path] = ()) -> list[str]:
    """The file name of each path, with as many parent folders as make it unique among `paths` and `among`.

    `a/pic.png` and `b/pic.png` keep their folders; a single `pic.png` does not.
    """
    wanted = {Path(path).name for path in paths}
    namesakes: dict[str, set[tuple[str, ...]]] = defaultdict(set)
    for path in (*paths, *among):
        if (name := Path(path).name) in wanted:
            namesakes[name].add(Path(path).parts)
    return [_shortest(Path(path).parts, namesakes[Path(path).name]) for path in paths]


def _shortest(parts: tuple[str, ...], namesakes: set[tuple[str, ...]]) -> str:
    depth = 1
    while depth < len(parts) and sum(other[-depth:] == parts[-depth:] for other in namesakes) > 1:
        depth += 1
    return str(Path(*parts[-depth:]))
