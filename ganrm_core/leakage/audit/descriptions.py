"""Descriptions of each folder's file statistics, as phrases that complete a sentence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np

from ...metrics.binary import FloatArray
from ..forensics.file_stats import FileStats
from ..forensics.webp_header import webp_quality
from . import nuisances

Facts = Sequence[FileStats]
Pair = tuple[str, str]
"""Phrases for the liked and for the ordinary pictures."""

_ALL = 0.95  # from this share on, exceptions are not mentioned
_MOST_NAMED = 3
_LEAST_NAMED = 0.05
_SHAPING = 1.4  # by libwebp's default spatial noise shaping, measured on photographs
_CHROMA = {0: "full", 1: "half", 2: "quarter"}
_TAGS = {
    "none": "no colour tag",
    "sRGB": "an sRGB profile",
    "sRGB flag": "an sRGB flag",
    "gamma": "a gamma value",
    "cICP": "a cICP colour code",
    "other profile": "a colour profile other than sRGB",
}
_RINGS = ("coarse structure", "medium detail", "fine detail", "very fine detail")
# (value of the colour statistics [N, 5], phrase for more of it, phrase for less)
_COLOURS: tuple[tuple[Callable[[FloatArray], FloatArray], str, str], ...] = (
    (lambda c: c[:, :3].mean(axis=1), "brighter", "darker"),
    (lambda c: c[:, 0] - c[:, 2], "warmer in colour", "cooler in colour"),
    (lambda c: 2 * c[:, 1] - c[:, 0] - c[:, 2], "greener", "more magenta"),
    (lambda c: c[:, 3], "more saturated", "less saturated"),
    (lambda c: c[:, 4], "richer in contrast", "flatter in contrast"),
)


def describe(name: str, liked: Facts, ordinary: Facts) -> Pair:
    """Phrases for both folders with regard to the nuisance family `name`."""
    return _DESCRIBE[name](liked, ordinary)


def _compression(liked: Facts, ordinary: Facts) -> Pair:
    pair = _first_that_differs(_kinds, _chroma)(liked, ordinary)
    if pair[0] != pair[1]:
        return pair
    traces = [np.mean([one.jpeg_traces for one in facts]) for facts in (liked, ordinary)]
    more = f"{pair[0]} with traces of an earlier, stronger JPEG compression"
    return (more, pair[1]) if traces[0] > traces[1] else (pair[0], more)


def _sharpness(liked: Facts, ordinary: Facts) -> Pair:
    first, second = (np.array([one.bands for one in facts]) for facts in (liked, ordinary))
    gap = _standardised_gap(first, second)
    ring = int(np.abs(gap).argmax())
    if abs(gap[ring]) < 0.3:
        return "one balance of coarse and fine detail", "another"
    name = _RINGS[ring * len(_RINGS) // len(gap)]
    times = 10 ** abs(float(first[:, ring].mean() - second[:, ring].mean()))
    factor = f" ({times:.1f} times the power)" if times < 100 else " (by far)"
    pair = (f"more {name}{factor}", "less")
    return pair if gap[ring] > 0 else (f"less {name}", f"more{factor}")


def _overall_colour(liked: Facts, ordinary: Facts) -> Pair:
    first, second = (np.array([one.colour for one in facts]) for facts in (liked, ordinary))
    gaps = [_standardised_gap(value(first), value(second)) for value, _, _ in _COLOURS]
    chosen = int(np.abs(gaps).argmax())
    _, more, less = _COLOURS[chosen]
    return (more, less) if gaps[chosen] > 0 else (less, more)


def _first_that_differs(*ways: Callable[[Facts], str]) -> Callable[[Facts, Facts], Pair]:
    """Describe by the first of several ways in which the folders differ."""

    def describe_pair(liked: Facts, ordinary: Facts) -> Pair:
        pairs = [(way(liked), way(ordinary)) for way in ways]
        return next((pair for pair in pairs if pair[0] != pair[1]), pairs[0])

    return describe_pair


def _kinds(facts: Facts) -> str:
    qualities: dict[str, list[int]] = {}
    for one in facts:
        if (quality := _quality(one)) is not None:
            qualities.setdefault(_kind(one), []).append(quality)
    kinds = [_kind(one) for one in facts]
    return _shares([f"{kind}s{_of_quality(qualities.get(kind, []))}" for kind in kinds])


def _kind(one: FileStats) -> str:
    if one.container == "WEBP":
        return "lossless WebP" if one.lossless else "WebP"
    return one.container


def _quality(one: FileStats) -> int | None:
    """The quality setting, 1–100, of a lossy file."""
    return one.jpeg_quality if one.webp_quantiser is None else webp_quality(one.webp_quantiser, _SHAPING)


def _of_quality(qualities: list[int]) -> str:
    if not qualities:
        return ""
    low, middle, high = (round(value) for value in np.quantile(qualities, [0.1, 0.5, 0.9]))
    return f" of quality about {middle}" if high - low <= 6 else f" of quality {low} to {high}"


def _chroma(facts: Facts) -> str:
    return _shares(
        [
            f"{_kind(one)}s with colour at {_CHROMA.get(one.jpeg_subsampling or 0, 'another')} resolution"
            for one in facts
        ]
    )


def _file_size(facts: Facts) -> str:
    return f"about {np.median([one.bytes_per_pixel for one in facts]):.2f} bytes per pixel"


def _file_size_range(facts: Facts) -> str:
    low, high = np.quantile([one.bytes_per_pixel for one in facts], [0.1, 0.9])
    return f"{low:.2f} to {high:.2f} bytes per pixel"


def _size(facts: Facts) -> str:
    sizes = [f"{one.width} × {one.height} px" for one in facts]
    if Counter(sizes).most_common(1)[0][1] >= len(facts) / 3:
        return _shares(sizes)
    width, height = (round(np.median([getattr(one, side) for one in facts])) for side in ("width", "height"))
    return f"about {width} × {height} px"


def _side_range(facts: Facts) -> str:
    low, high = (
        round(side) for side in np.quantile([max(one.width, one.height) for one in facts], [0.1, 0.9])
    )
    return f"{low} to {high} px long"


def _tags(facts: Facts) -> str:
    return _shares([_TAGS.get(one.colour_tag, one.colour_tag) for one in facts])


def _pixel_format(facts: Facts) -> str:
    used = {"none": "", "opaque": " with unused transparency", "transparent": " with transparent parts"}
    return _shares([f"{one.mode}{used[one.alpha]}" for one in facts])


def _border(facts: Facts) -> str:
    return _shares([f"a border of {max(one.border)} px" if any(one.border) else "no border" for one in facts])


def _border_sides(facts: Facts) -> str:
    sides = ("top", "right", "bottom", "left")
    return _shares(
        [
            " and ".join(
                f"{width} px at the {side}" for side, width in zip(sides, one.border, strict=True) if width
            )
            or "no border"
            for one in facts
        ]
    )


def _shares(values: Sequence[str]) -> str:
    """ "A" where nearly all are; else what is frequent, with its share: "60% A, 30% B and 10% others"."""
    ranked = Counter(values).most_common(_MOST_NAMED)
    if ranked[0][1] >= _ALL * len(values):
        return ranked[0][0]
    named = [(value, count) for value, count in ranked if count >= _LEAST_NAMED * len(values)]
    if not named:
        return f"of {len(set(values))} kinds"
    parts = [f"{count / len(values):.0%} {value}" for value, count in named]
    rest = 1 - sum(count for _, count in named) / len(values)
    if rest > 0.005:
        parts.append(f"{rest:.0%} others")
    return " and ".join(filter(None, (", ".join(parts[:-1]), parts[-1])))


def _standardised_gap(first: FloatArray, second: FloatArray) -> FloatArray:
    """Standardised mean difference first − second, per column."""
    spread = np.sqrt((first.var(axis=0) + second.var(axis=0)) / 2)
    gap: FloatArray = (first.mean(axis=0) - second.mean(axis=0)) / np.maximum(spread, 1e-9)
    return gap


_DESCRIBE: dict[str, Callable[[Facts, Facts], Pair]] = {
    nuisances.COMPRESSION: _compression,
    nuisances.FILE_SIZE: _first_that_differs(_file_size, _file_size_range),
    nuisances.SIZE: _first_that_differs(_size, _side_range),
    nuisances.SHARPNESS: _sharpness,
    nuisances.COLOUR_TAGS: _first_that_differs(_tags),
    nuisances.OVERALL_COLOUR: _overall_colour,
    nuisances.PIXEL_FORMAT: _first_that_differs(_pixel_format),
    nuisances.BORDERS: _first_that_differs(_border, _border_sides),
}
