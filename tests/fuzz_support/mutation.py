"""Fuzz cases, and format-agnostic mutations of bytes."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from random import Random

EXTREMES = 0, 1, 2, 7, 127, 128, 255, 256, 0x7FFF, 0x8000, 0xFFFF, 0x10000, 2**31 - 1, 2**31, 2**32 - 1
"""Numbers that overflow or underflow a field of 8, 16 or 32 bits, or are one off from doing so."""


class NothingToChange(Exception):  # noqa: N818
    """The file has no such part as a mutation changes."""


@dataclass(frozen=True)
class Case:
    """A mutated file: number, file name, content, and descriptions of the seed and its mutations."""

    number: int
    name: str
    content: bytes
    done: tuple[str, ...]


Mutation = Callable[[bytearray, Random], str]
"""Changes bytes in place and returns a description; raises NothingToChange before it has changed any."""


def mutated(
    content: bytes, mutations: Sequence[Mutation], random: Random, most: int = 4
) -> tuple[bytes, tuple[str, ...]]:
    """`content` after one to `most` mutations, more often few, and their descriptions."""
    data = bytearray(content)
    done: list[str] = []
    for _ in range(min(random.randint(1, most), random.randint(1, most))):
        with suppress(NothingToChange):
            done.append(random.choice(mutations)(data, random))
    if not done:
        done.append(flip_bits(data, random))
    return bytes(data), tuple(done)


def flip_bits(data: bytearray, random: Random) -> str:
    places = [random.randrange(len(data)) for _ in range(random.choice((1, 1, 2, 8)))] if data else []
    for place in places:
        data[place] ^= 1 << random.randrange(8)
    return f"bits flipped at {', '.join(map(str, places))}"


def replace_run(data: bytearray, random: Random) -> str:
    """Overwrite, remove, repeat or insert some bytes."""
    length = min(len(data), random.choice((1, 2, 4, 16, 64, 256)))
    place = random.randrange(len(data) - length + 1)
    run, noise = bytes(data[place : place + length]), random.randbytes(length)
    choices = [
        ("zeroed", bytes(length)), ("set to ff", b"\xff" * length), ("overwritten at random", noise),
        ("removed", b""), ("doubled", run * 2), ("repeated", run * 51), ("preceded by noise", noise + run),
    ]  # fmt: skip
    what, new = random.choice(choices)
    end = len(data) if what == "removed" and random.random() < 0.5 else place + length  # cut short
    data[place:end] = new
    return f"{length} bytes at {place} {what}"


def extreme_field(data: bytearray, random: Random) -> str:
    """Overwrite a number of 1, 2 or 4 bytes, of either byte order, mostly in the header."""
    width, code = random.choice(((1, "B"), (2, "H"), (4, "I")))
    reach = min(len(data), random.choice((40, 120, len(data)))) - width
    if reach < 0:
        raise NothingToChange
    place, value = random.randrange(reach + 1), random.choice(EXTREMES) % (1 << 8 * width)
    order = random.choice("<>")
    struct.pack_into(f"{order}{code}", data, place, value)
    return f"{order}{code} at {place} set to {value}"


def splice(donor: bytes, called: str) -> Mutation:
    """A mutation that replaces the end by the end of another file."""

    def mutation(data: bytearray, random: Random) -> str:
        place, start = random.randrange(len(data) + 1), random.randrange(len(donor) + 1)
        data[place:] = donor[start:]
        return f"continued at {place} with {called} from {start}"

    return mutation


ANY_BYTES: tuple[Mutation, ...] = (
    flip_bits,
    replace_run,
    replace_run,
    replace_run,
    extreme_field,
    extreme_field,
)
