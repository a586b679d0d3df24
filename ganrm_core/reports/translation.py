"""Translation of what is drawn into pictures; English, unless a host names another language.

Sentences are made in English, for the command line, for files and for scripts. Where one is drawn it is looked up
here, as a whole, then by its lines, its parts between dots ( · ) and its sentences; what is not known stays English.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from .chinese_drawings import CHINESE

ENGLISH = "en"
_CATALOGUES: Mapping[str, Mapping[str, str]] = {"zh": CHINESE}
_SAME = {"zh-cn": "zh", "zh-hans": "zh", "zh-hans-cn": "zh", "zh-sg": "zh"}
_GAP = re.compile(r"\{([a-z]+)\}")
_NUMBER = r"([-+−]?[\d.,]*\d%?)"
_SHAPES = {"numbers": r"([\d., ]*\d)", "quoted": r'("[^"]*")'}
_PART = r"((?:(?!(?<=[.!?]) | · |\n).)+?)"  # of one sentence
_KNOWN = ("known", "also")
_SENTENCE_END = re.compile(r"(?<=[.!?]) (?=\S)")
_BETWEEN_CJK = re.compile(r"(?<=[\u4e00-\u9fff]) (?=[\u4e00-\u9fff])")  # such text has no spaces
_DOT = " · "


def _always_english() -> str:
    return ENGLISH


_current: Callable[[], str] = _always_english


def speak(current: Callable[[], str]) -> None:
    """Ask `current` for the language, such as "zh", at every text that is drawn."""
    global _current
    _current = current


def translated(text: str) -> str:
    """`text` in the language in use."""
    name = _name(_current())
    return _translated(text, name) if name in _CATALOGUES else text


def letters_needed() -> frozenset[str]:
    """Every letter that translations into the language in use are written with; none for English."""
    return _letters(_name(_current()))


@dataclass(frozen=True)
class _Pattern:
    """A template with gaps: {n}, a single letter, is a number, {numbers} are several, {quoted} stands in quotes.

    {known} and {also} are text that has a translation of its own; every other gap is any part of a sentence.
    """

    shape: re.Pattern[str]
    gaps: tuple[str, ...]
    told: str

    @classmethod
    def of(cls, template: str, told: str) -> _Pattern:
        shape, gaps, end = "", [], 0
        for gap in _GAP.finditer(template):
            shape += re.escape(template[end : gap.start()]) + _gap_shape(gap[1])
            gaps.append(gap[1])
            end = gap.end()
        return cls(re.compile(shape + re.escape(template[end:])), tuple(gaps), told)

    def fill(self, text: str, language: str) -> str | None:
        if (found := self.shape.fullmatch(text)) is None:
            return None
        values = dict(zip(self.gaps, found.groups(), strict=True))
        if any(_whole(values[name], language) is None for name in _KNOWN if name in values):
            return None
        filled = _GAP.sub(lambda gap: _translated(values[gap[1]], language), self.told)
        return _BETWEEN_CJK.sub("", filled)


def _gap_shape(name: str) -> str:
    return _NUMBER if len(name) == 1 else _SHAPES.get(name, _PART)


@lru_cache(maxsize=4096)
def _translated(text: str, language: str) -> str:
    whole = _whole(text, language)
    if whole is not None:
        return whole
    for divider in ("\n", _DOT):
        if divider in text:
            return divider.join(_inside(part, language) for part in text.split(divider))
    if text != text.strip("· "):
        return _inside(text, language)
    return _by_sentences(_SENTENCE_END.split(text), language)


def _inside(text: str, language: str) -> str:
    """Translated between its spaces and a dot at its beginning, which stay."""
    start = len(text) - len(text.lstrip("· "))
    end = len(text.rstrip())
    return text[:start] + _translated(text[start:end], language) + text[end:] if start < end else text


def _by_sentences(sentences: list[str], language: str) -> str:
    """The longest runs of sentences that are known, the others as they are. Between two of the former is no space."""
    told, spaced, start = "", False, 0
    while start < len(sentences):
        ends = range(len(sentences), start, -1)
        runs = ((end, _whole(" ".join(sentences[start:end]), language)) for end in ends)
        end, run = next(((end, run) for end, run in runs if run is not None), (start + 1, None))
        gap = " " if told and (spaced or run is None) else ""
        told += gap + (sentences[start] if run is None else run)
        spaced, start = run is None, end
    return told


def _whole(text: str, language: str) -> str | None:
    for way in (text, text[:1].lower() + text[1:]):  # stages begin small, and large where they stand alone
        if way in _CATALOGUES[language]:
            return _CATALOGUES[language][way]
    return next(
        (told for each in _patterns(language) if (told := each.fill(text, language)) is not None), None
    )


@lru_cache(maxsize=8)
def _patterns(language: str) -> tuple[_Pattern, ...]:
    """Those with most words of their own first: they say most exactly what is meant."""
    templates = [key for key in _CATALOGUES[language] if _GAP.search(key)]
    templates.sort(key=lambda key: -len(_GAP.sub("", key)))
    return tuple(_Pattern.of(key, _CATALOGUES[language][key]) for key in templates)


@lru_cache(maxsize=8)
def _letters(language: str) -> frozenset[str]:
    return frozenset(letter for told in _CATALOGUES.get(language, {}).values() for letter in told)


def _name(language: str) -> str:
    return _SAME.get(language.lower(), language)
