"""Translation of drawn text by template lookup; English unless the host application sets another language.

Messages are composed in English, for the command line, files and scripts. Drawn text is looked up as a whole, then by
its lines, its parts between dots ( · ) and its sentences; what has no translation stays English.
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
_PLACEHOLDER = re.compile(r"\{([a-z]+)\}")
_NUMBER = r"([-+−]?[\d.,]*\d%?)"
_PATTERNS_BY_NAME = {"numbers": r"([\d., ]*\d)", "quoted": r'("[^"]*")'}
_PART = r"((?:(?!(?<=[.!?]) | · |\n).)+?)"  # part of one sentence
_KNOWN = ("known", "also")
_SENTENCE_END = re.compile(r"(?<=[.!?]) (?=\S)")
_BETWEEN_CJK = re.compile(r"(?<=[\u4e00-\u9fff]) (?=[\u4e00-\u9fff])")  # CJK text has no spaces
_DOT = " · "


def _always_english() -> str:
    return ENGLISH


_current: Callable[[], str] = _always_english


def use_language(current: Callable[[], str]) -> None:
    """Set the function that names the language, such as "zh"; it is called for every drawn text."""
    global _current
    _current = current


def translated(text: str) -> str:
    """`text` in the current language."""
    name = _name(_current())
    return _translated(text, name) if name in _CATALOGUES else text


def letters_needed() -> frozenset[str]:
    """All letters of the translations into the current language; none for English."""
    return _letters(_name(_current()))


@dataclass(frozen=True)
class _Template:
    """A template with placeholders, compiled to a regular expression.

    {n}, a single letter, matches a number, {numbers} several, {quoted} text in quotes, {known} and {also} text that
    has a translation itself; any other placeholder matches any part of a sentence.
    """

    regex: re.Pattern[str]
    names: tuple[str, ...]
    translation: str

    @classmethod
    def of(cls, template: str, translation: str) -> _Template:
        pattern, names, end = "", [], 0
        for placeholder in _PLACEHOLDER.finditer(template):
            pattern += re.escape(template[end : placeholder.start()]) + _pattern_of(placeholder[1])
            names.append(placeholder[1])
            end = placeholder.end()
        return cls(re.compile(pattern + re.escape(template[end:])), tuple(names), translation)

    def fill(self, text: str, language: str) -> str | None:
        """The translation of `text`; None where it does not match the template."""
        if (found := self.regex.fullmatch(text)) is None:
            return None
        values = dict(zip(self.names, found.groups(), strict=True))
        if any(_lookup(values[name], language) is None for name in _KNOWN if name in values):
            return None
        filled = _PLACEHOLDER.sub(lambda found: _translated(values[found[1]], language), self.translation)
        return _BETWEEN_CJK.sub("", filled)


def _pattern_of(name: str) -> str:
    return _NUMBER if len(name) == 1 else _PATTERNS_BY_NAME.get(name, _PART)


@lru_cache(maxsize=4096)
def _translated(text: str, language: str) -> str:
    whole = _lookup(text, language)
    if whole is not None:
        return whole
    for divider in ("\n", _DOT):
        if divider in text:
            return divider.join(_inside(part, language) for part in text.split(divider))
    if text != text.strip("· "):
        return _inside(text, language)
    return _by_sentences(_SENTENCE_END.split(text), language)


def _inside(text: str, language: str) -> str:
    """Translated without the spaces around it and the dot at its beginning, which are kept."""
    start = len(text) - len(text.lstrip("· "))
    end = len(text.rstrip())
    return text[:start] + _translated(text[start:end], language) + text[end:] if start < end else text


def _by_sentences(sentences: list[str], language: str) -> str:
    """The longest runs of sentences with a translation are translated, the others kept.

    There is no space between two translated runs.
    """
    translation, spaced, start = "", False, 0
    while start < len(sentences):
        ends = range(len(sentences), start, -1)
        runs = ((end, _lookup(" ".join(sentences[start:end]), language)) for end in ends)
        end, run = next(((end, run) for end, run in runs if run is not None), (start + 1, None))
        gap = " " if translation and (spaced or run is None) else ""
        translation += gap + (sentences[start] if run is None else run)
        spaced, start = run is None, end
    return translation


def _lookup(text: str, language: str) -> str | None:
    """Translation of the whole of `text`, None where there is none."""
    for spelling in (
        text,
        text[:1].lower() + text[1:],
    ):  # names of stages are capitalised where they begin a line
        if spelling in _CATALOGUES[language]:
            return _CATALOGUES[language][spelling]
    filled = (template.fill(text, language) for template in _templates(language))
    return next((translation for translation in filled if translation is not None), None)


@lru_cache(maxsize=8)
def _templates(language: str) -> tuple[_Template, ...]:
    """Templates with placeholders, the most specific (most literal characters) first."""
    templates = [key for key in _CATALOGUES[language] if _PLACEHOLDER.search(key)]
    templates.sort(key=lambda key: -len(_PLACEHOLDER.sub("", key)))
    return tuple(_Template.of(key, _CATALOGUES[language][key]) for key in templates)


@lru_cache(maxsize=8)
def _letters(language: str) -> frozenset[str]:
    return frozenset(
        letter for translation in _CATALOGUES.get(language, {}).values() for letter in translation
    )


def _name(language: str) -> str:
    return _SAME.get(language.lower(), language)
