"""The leak report: what was found, what was done about it, and what is left."""

from __future__ import annotations

import json

import pytest

from ganrm_core.leakage.audit.audit import Audit, Family
from ganrm_core.leakage.invariance_test import InvarianceTest
from ganrm_core.leakage.report import LeakReport, invariance_summary
from ganrm_core.metrics.binary import Interval

CLEAN = InvarianceTest("clean", "It keeps its score.", 16, ())


def report(
    mode: str, neutralised: tuple[str, ...], *leaking: str, after: InvarianceTest = CLEAN
) -> LeakReport:
    auc = Interval(0.99, 0.9, 1.0)
    names = ("compression", "bytes per pixel", "sharpness", "near-duplicates")
    families = tuple(Family(name, auc, name in leaking, f"{name}.", "", "") for name in names)
    return LeakReport(Audit(families, 12, 12), mode, neutralised, after)


@pytest.mark.parametrize(
    ("mode", "neutralised", "leaking", "said"),
    [
        ("auto", ("compression",), ("compression", "bytes per pixel"), ["compression. It was evened out in both for training."]),
        ("off", (), ("compression",), ["compression. Nothing was done about it, since neutralise is off."]),
        ("auto", (), ("sharpness",), ["sharpness. It was left as it is; neutralise: full takes it out."]),
        ("auto", (), ("bytes per pixel", "near-duplicates"), ["bytes per pixel."]),
        ("auto", (), (), []),
    ],
)  # fmt: skip
def test_a_leak_is_said_once_with_what_was_done(
    mode: str, neutralised: tuple[str, ...], leaking: tuple[str, ...], said: list[str]
) -> None:
    assert report(mode, neutralised, *leaking).warnings() == said


def test_what_the_model_still_prefers_and_json_round_trip() -> None:
    after = InvarianceTest("prefers crisp pictures", "By far.", 40, ())
    told = report("auto", ("compression",), after=after)
    assert told.warnings() == ["The model prefers crisp pictures. By far."]
    card = {"leak_audit": json.loads(json.dumps(told.to_json()))}
    assert LeakReport.from_json(card["leak_audit"]) == told
    assert invariance_summary(card) == told.invariance_summary() == "prefers crisp pictures: By far."
    for damaged in ({}, {"leak_audit": None}, {"leak_audit": {"before": {}}}):
        assert invariance_summary(damaged) == "not tested"
