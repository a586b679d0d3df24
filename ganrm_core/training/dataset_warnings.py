"""Warnings about a training set: few pictures, near-duplicates across the sets, a suspiciously high AUC."""

from __future__ import annotations

from ..data.skipped_files import Skipped, describe_skipped
from ..metrics.summary import SummaryMetrics
from ..utils.files import shown
from ..utils.short_names import short_names
from .picture_table import PictureTable

_FEW = 50
_SUSPICIOUS_AUC = 0.995


def dataset_warnings(table: PictureTable, skipped: list[Skipped], metrics: SummaryMetrics) -> list[str]:
    """Sentences for the user, the most basic first."""
    warnings = [describe_skipped(skipped, among=table.paths)] if skipped else []
    for name, label in (("liked", 1), ("ordinary", 0)):
        count = int((table.labels == label).sum())
        if count < _FEW:
            warnings.append(
                f"Only {count} {name} pictures: expect a rough model. {_FEW} or more of each are better, "
                "a few hundred are good."
            )
    warnings += _near_duplicates_across(table)
    if metrics.auc.value >= _SUSPICIOUS_AUC:
        warnings.append(
            f"The held-out AUC is {metrics.auc.value:.3f}, which is too good to be taste alone in most cases: "
            "the sets may differ in file format, size or compression. Bring both to one format and size "
            "to be sure."
        )
    return warnings


def _near_duplicates_across(table: PictureTable) -> list[str]:
    both = set(table.groups[table.labels == 1]) & set(table.groups[table.labels == 0])
    if not both:
        return []
    first = next(i for i, group in enumerate(table.groups) if group in both)
    other = next(
        i
        for i, group in enumerate(table.groups)
        if group == table.groups[first] and table.labels[i] != table.labels[first]
    )
    names = short_names([table.paths[first], table.paths[other]], table.paths)
    how_many = "1 picture looks" if len(both) == 1 else f"{len(both)} pictures look"
    return [
        f"{how_many} nearly the same in both sets (such as {shown(names[0])} and {shown(names[1])}). They are kept, "
        "and kept together in every split."
    ]
