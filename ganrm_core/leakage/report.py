"""What is known about a model's leaks: before training, what was done, and after."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .audit.audit import Audit
from .audit.nuisances import COMPRESSION, FILE_SIZE, NEAR_DUPLICATES, SHARPNESS, SIZE
from .invariance_test import InvarianceTest
from .neutralisation import AMBIGUOUS

_CAUSES = {FILE_SIZE: {COMPRESSION, SIZE}, SHARPNESS: {SIZE}, NEAR_DUPLICATES: {NEAR_DUPLICATES}}
"""What follows from another leak is not said again; near-duplicates are spoken of by training itself."""


@dataclass(frozen=True)
class LeakReport:
    """`neutralise` is the mode, `evened` the families that were evened out."""

    audit: Audit
    neutralise: str
    evened: tuple[str, ...]
    same_picture: InvarianceTest

    def warnings(self) -> list[str]:
        """A sentence for each leak, with what became of it, and one if the model still prefers files."""
        leaking = {family.name for family in self.audit.families if family.separates}
        lines = [
            f"{family.sentence} {self._done(family.name)}".rstrip()
            for family in self.audit.families
            if family.name in leaking and not _CAUSES.get(family.name, set()) & leaking
        ]
        if self.same_picture.word != "clean":
            lines.append(f"The model {self.same_picture.word}. {self.same_picture.sentence}")
        return lines

    def in_a_word(self) -> str:
        """The same-picture test: its word and its sentence."""
        return f"{self.same_picture.word}: {self.same_picture.sentence}"

    def to_json(self) -> dict[str, Any]:
        return {
            "before": self.audit.to_json(),
            "neutralise": self.neutralise,
            "evened": list(self.evened),
            "same_picture": self.same_picture.to_json(),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> LeakReport:
        """Raises LookupError, TypeError or ValueError for anything that `to_json` did not give."""
        return cls(
            Audit.from_json(data["before"]),
            str(data["neutralise"]),
            tuple(str(name) for name in data["evened"]),
            InvarianceTest.from_json(data["same_picture"]),
        )

    def _done(self, family: str) -> str:
        if family in self.evened:
            return "It was evened out in both for training."
        if self.neutralise == "off":
            return "Nothing was done about it, since neutralise is off."
        if family in AMBIGUOUS:
            return "It was left as it is; neutralise: full takes it out."
        return ""


def in_a_word(card: Mapping[str, Any]) -> str:
    """What a checkpoint's card says of its same-picture test."""
    try:
        return LeakReport.from_json(card["leak_audit"]).in_a_word()
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError):
        return "not tested"
