"""Seeded mutations of JSON: values of another type or range, missing and unknown keys, invalid text."""

from __future__ import annotations

import json
from collections.abc import Iterator
from copy import deepcopy
from random import Random
from typing import Any

_NAN, _INF = float("nan"), float("inf")
_VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 3, 0.5, -1e300, 1e300, 5e-324, 10**30, 10**400, _NAN, _INF, -_INF, "", "text",
    "nan", "1e999", "two\nlines", "\x1b[31mred", "\0", "\ud800", "../../../etc/passwd", "long " * 2000, [], {},
    [None], ["text", 1], [[[[]]]], {"name": None}, {"": {}}, [0.5, 0.4, 0.6], [_NAN] * 3,
)  # fmt: skip
_TEXTS = (
    b"NaN", b"-Infinity", b"1e999", b"1" * 5000, b'"\\ud800"', b"\xff\xfe", b"[" * 100_000, b'{"a":' * 50_000, b"",
)  # fmt: skip


def mutated_document(value: Any, random: Random, share: float) -> tuple[bytes, tuple[str, ...]]:
    """The text of a JSON value after one to three changes, a `share` with an invalid piece in it, and descriptions."""
    changed = deepcopy(value)
    done = tuple(_change(changed, random) for _ in range(random.choice((1, 1, 1, 2, 2, 3))))
    text = as_text(changed)
    places = [place for place, byte in enumerate(text) if byte in b":,["]
    if places and random.random() < share:
        place, piece = random.choice(places) + 1, random.choice(_TEXTS)
        text = text[:place] + piece + text[place + random.randrange(4) :]
        done += (f"{piece[:8]!r}… put at {place} of the text",)
    return text, done


def _change(value: Any, random: Random) -> str:
    entries = list(_entries(value, ""))
    if not entries:
        return "nothing to change"
    (container, key), called = random.choice(entries)
    match random.randrange(8):
        case 0:
            del container[key]
            return f"{called} removed"
        case 1 if isinstance(container, dict):
            container[f"{key} "] = container.pop(key)
            return f"{called} renamed"
        case 2:
            container[key] = deepcopy(random.choice(entries)[0][0])
            return f"{called} replaced by another part"
        case 3 if isinstance(container[key], (list, str)):
            container[key] = container[key] * random.choice((0, 2, 3, 100))
            return f"{called} now of length {len(container[key])}"
        case 4 if isinstance(container[key], (int, float)):
            container[key] = random.choice((-1, 0, 0.1, 2, 1e9, 1e40)) * container[key]
            return f"{called} set to {container[key]!r:.40}"
        case 5:
            container[key] = [container[key]] if random.random() < 0.5 else {"value": container[key]}
            return f"{called} wrapped"
        case 6:
            container[key] = str(container[key])
            return f"{called} as text"
    container[key] = value = deepcopy(random.choice(_VALUES))
    huge = isinstance(value, int) and abs(value) >= 10**40  # Python does not print it
    return f"{called} set to {'a huge integer' if huge else ascii(value):.40}"


def _entries(value: Any, called: str) -> Iterator[tuple[tuple[Any, Any], str]]:
    """Container, key and name of every entry at any depth; those near the top come more often."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, entry in list(pairs):
        name = f"{called}.{key}"
        yield from [((value, key), name)] * {0: 6, 1: 2}.get(called.count("."), 1)
        yield from _entries(entry, name)


def as_text(value: Any) -> bytes:
    """JSON as Python writes it, NaN, infinities and lone surrogates included."""
    return json.dumps(value).encode("ascii")
