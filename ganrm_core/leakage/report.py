"""Leak report of a model: the audit before training, what was neutralised, and the invariance test after."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .audit.audit import Audit
from .audit.nuisances import COMPRESSION, FILE_SIZE, NEAR_DUPLICATES, SHARPNESS, SIZE
from .invariance_test import InvarianceTest
from .neutralisation import AMBIGUOUS

_CAUSES = {FILE_SIZE: {COMPRESSION, SIZE}, SHARPNESS: {SIZE}, NEAR_DUPLICATES: {NEAR_DUPLICATES}}
"""A leak that follows from another one is not reported again; near-duplicates are reported by training itself."""


@dataclass(frozen=True)
class LeakReport:
    """`neutralise` is the mode, `neutralised` the families that were neutralised."""

    audit: Audit
    neutralise: str
    neutralised: tuple[str, ...]
    same_picture: InvarianceTest

    def warnings(self) -> list[str]:
        """A sentence for each leak and what was done about it, and one if the model still prefers file properties."""
        leaking = {family.name for family in self.audit.families if family.separates}
        lines = [
            f"{family.sentence} {self._done(family.name)}".rstrip()
            for family in self.audit.families
            if family.name in leaking and not _CAUSES.get(family.name, set()) & leaking
        ]
        if self.same_picture.word != "clean":
            lines.append(f"The model {self.same_picture.word}. {self.same_picture.sentence}")
        return lines

    def invariance_summary(self) -> str:
        """The invariance test's verdict and its sentence."""
        return f"{self.same_picture.word}: {self.same_picture.sentence}"

    def to_json(self) -> dict[str, Any]:
        return {
            "before": self.audit.to_json(),
            "neutralise": self.neutralise,
            "evened": list(self.neutralised),
            "same_picture": self.same_picture.to_json(),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> LeakReport:
        """Inverse of `to_json`. Raises LookupError, TypeError or ValueError for anything else."""
        return cls(
            Audit.from_json(data["before"]),
            str(data["neutralise"]),
            tuple(str(name) for name in data["evened"]),
            InvarianceTest.from_json(data["same_picture"]),
        )

    def _done(self, family: str) -> str:
        if family in self.neutralised:
            return "It was evened out in both for training."
        if self.neutralise == "off":
            return "Nothing was done about it, since neutralise is off."
        if family in AMBIGUOUS:
            return "It was left as it is; neutralise: full takes it out."
        return ""


def invariance_summary(card: Mapping[str, Any]) -> str:
    """The invariance test's outcome in a checkpoint's metadata; "not tested" where there is none."""
    try:
        return LeakReport.from_json(card["leak_audit"]).invariance_summary()
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError):
        return "not tested"
