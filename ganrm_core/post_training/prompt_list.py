"""Prompt lists: one prompt a line, with {a|b} choices expanded, and the prompt column of CSV files."""

from __future__ import annotations

import csv
import io
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

from ..utils.errors import DataError

Expansion = Literal["all combinations", "one at random"]
EXPANSIONS: tuple[Expansion, ...] = get_args(Expansion)
MOST_PROMPTS = 1000
LONGEST = 10_000
"""Characters of a prompt."""
_LONGEST_TEXT = 2_000_000
_DEEPEST = 50
_COMMENTS = ("#", "//")
_ESCAPABLE = "{}|"


@dataclass(frozen=True)
class PromptList:
    """`texts`: the prompts, all different. `duplicates`: how many were left out for being there already.

    `possible`: how many the choices would have given; more than `texts` hold where not all were taken.
    """

    texts: tuple[str, ...]
    duplicates: int = 0
    possible: int = 0


@dataclass
class _Sequence:
    """Text and choices one after the other."""

    parts: list[str | _Choice] = field(default_factory=list)

    def count(self) -> int:
        total = 1
        for part in self.parts:
            total *= 1 if isinstance(part, str) else part.count()
        return total

    def at(self, number: int) -> str:
        """The combination numbered `number`, the last choice changing fastest."""
        found: list[str] = []
        for part in reversed(self.parts):
            if isinstance(part, str):
                found.append(part)
            else:
                number, inner = divmod(number, part.count())
                found.append(part.at(inner))
        return "".join(reversed(found))

    def drawn(self, generator: random.Random) -> str:
        return "".join(part if isinstance(part, str) else part.drawn(generator) for part in self.parts)


@dataclass
class _Choice:
    options: list[_Sequence]

    def count(self) -> int:
        return sum(option.count() for option in self.options)

    def at(self, number: int) -> str:
        for option in self.options:
            if number < option.count():
                return option.at(number)
            number -= option.count()
        raise IndexError(number)

    def drawn(self, generator: random.Random) -> str:
        """Each option equally likely, as on ComfyUI's page."""
        return generator.choice(self.options).drawn(generator)


def prompt_lines(text: str) -> list[str]:
    """The lines that hold prompts: without blank ones and comments (# or // at their beginning)."""
    check_size(len(text), "The text")
    lines = (line.strip() for line in text.splitlines())
    return [line for line in lines if line and not line.startswith(_COMMENTS)]


def csv_prompts(text: str, name: str) -> list[str]:
    """The column `prompt` of a table with a header, else the first column. `name` is the file's, for messages.

    The columns are separated by commas, semicolons or tabs. Raises DataError for rows that do not fit the table, which
    would mean prompts cut at a comma.
    """
    check_size(len(text), f"The file {name!r}")
    for separator in ",;\t":
        rows = _rows(text, separator, name)
        header = [cell.strip().lower() for cell in rows[0]] if rows else []
        if "prompt" in header:
            column = header.index("prompt")
            _check_widths(rows, range(column + 1, len(header) + 1), name)
            cells = [row[column] for row in rows[1:]]
            break
    else:
        rows = _rows(text, ",", name)
        _check_widths(rows, range(len(rows[0]), len(rows[0]) + 1) if rows else range(1), name)
        cells = [row[0] for row in rows]
    return [line for cell in cells if (line := " ".join(cell.split()))]


def expanded(lines: Sequence[str], expansion: Expansion, seed: int, most: int = MOST_PROMPTS) -> PromptList:
    r"""Prompts with their {a|b} choices resolved; \{, \| and \} are the characters themselves.

    "all combinations": of every line, in an order drawn from `seed`; the lines take turns, so that the first few
    prompts already come from many lines, and at most `most` are taken. "one at random": each line once.
    """
    if expansion not in EXPANSIONS:
        raise DataError(
            f"There is no way {expansion!r} to resolve choices. Use one of: {', '.join(EXPANSIONS)}."
        )
    parsed = [_parsed(line, number) for number, line in enumerate(lines, start=1)]
    generator = random.Random(seed)
    if expansion == "one at random":
        found = iter([each.drawn(generator) for each in parsed])
        possible = len(parsed)
    else:
        found = _in_turn([_shuffled(each, generator, most) for each in parsed])
        possible = sum(each.count() for each in parsed)
    texts: dict[str, None] = {}
    duplicates = 0
    for text in found:
        text = text.strip()
        if not text or text in texts:
            duplicates += bool(text)
        elif len(texts) < most:
            texts[text] = None
        else:
            break
    _check_lengths(texts)
    return PromptList(tuple(texts), duplicates, possible)


def resolved(text: str, seed: int) -> str:
    """A text whose choices are drawn from `seed`, such as the negative prompt."""
    check_size(len(text), "The negative prompt")
    drawn = _parsed(text, None).drawn(random.Random(seed)).strip()
    _check_lengths([drawn])
    return drawn


def check_size(size: int, what: str) -> None:
    """Raise DataError for more text than a prompt list has."""
    if size > _LONGEST_TEXT:
        raise DataError(
            f"{what} is too long for a list of prompts: it holds {size / 1e6:.1f} million characters, and at most "
            f"{_LONGEST_TEXT / 1e6:.0f} million are read. Split it."
        )


def _rows(text: str, separator: str, name: str) -> list[list[str]]:
    try:
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=separator))
    except csv.Error as error:
        raise DataError(
            f"The file {name!r} is no readable table ({error}). Save it as CSV or .txt anew."
        ) from error
    return [row for row in rows if any(cell.strip() for cell in row)]


def _check_widths(rows: Sequence[Sequence[str]], allowed: range, name: str) -> None:
    wrong = next((number for number, row in enumerate(rows, start=1) if len(row) not in allowed), None)
    if wrong is not None:
        raise DataError(
            f"Row {wrong} of {name!r} has another number of columns than the first, as when a prompt holds commas "
            'without quotes around it. Write "…" around prompts, or save them as .txt, one a line.'
        )


def _check_lengths(texts: Iterable[str]) -> None:
    for text in texts:
        if len(text) > LONGEST:
            raise DataError(
                f"The prompt {text[:60]!r}… has {len(text):,} characters, more than any model reads (at most {LONGEST:,} "
                "are taken). Shorten it, or write one prompt a line."
            )


def _parsed(line: str, number: int | None) -> _Sequence:
    where = "The negative prompt" if number is None else f"Prompt {number} ({line[:60]!r})"
    if len(line) > 10 * LONGEST:  # its choices make prompts that are shorter
        raise DataError(f"{where} is {len(line):,} characters long. Write one prompt a line.")
    whole = _Sequence()
    open_choices: list[tuple[_Sequence, _Choice]] = []
    current, letters = whole, ""
    position = 0

    def finish() -> None:
        nonlocal letters
        if letters:
            current.parts.append(letters)
        letters = ""

    while position < len(line):
        letter = line[position]
        position += 1
        if letter == "\\" and line[position : position + 1] in _ESCAPABLE and position < len(line):
            letters += line[position]
            position += 1
        elif letter == "{":
            finish()
            choice = _Choice([_Sequence()])
            current.parts.append(choice)
            open_choices.append((current, choice))
            if len(open_choices) > _DEEPEST:
                raise DataError(f"{where} has choices inside choices more than {_DEEPEST} deep. Write fewer.")
            current = choice.options[0]
        elif letter == "|" and open_choices:
            finish()
            current = _Sequence()
            open_choices[-1][1].options.append(current)
        elif letter == "}" and open_choices:
            finish()
            current = open_choices.pop()[0]
        else:
            letters += letter
    finish()
    if open_choices:
        raise DataError(f"{where} has a {{ without its }}. Close it, or write \\{{ for the character itself.")
    return whole


def _shuffled(line: _Sequence, generator: random.Random, most: int) -> Iterator[str]:
    """Different combinations of one line in random order, at most `most`. They may be more than a list can hold."""
    count = line.count()
    if count <= 4 * most:
        numbers = list(range(count))
        generator.shuffle(numbers)
        yield from map(line.at, numbers[:most])
        return
    chosen: set[int] = set()
    while len(chosen) < most:
        number = generator.randrange(count)
        if number not in chosen:
            chosen.add(number)
            yield line.at(number)


def _in_turn(lines: Sequence[Iterator[str]]) -> Iterator[str]:
    waiting = list(lines)
    while waiting:
        left = []
        for line in waiting:
            text = next(line, None)
            if text is not None:
                yield text
                left.append(line)
        waiting = left
