"""Shortest names that tell files apart."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path


def short_names(paths: Sequence[Path], among: Sequence[Path] = ()) -> list[str]:
    """The name of each path, after as many of its folders as tell it from every other in `paths` and `among`.

    `a/pic.png` and `b/pic.png` keep their folders; where only one is called so, it is `pic.png`.
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
