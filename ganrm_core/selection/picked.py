"""Manual override of a best-of-N selection: keep the candidates a person picked."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from .ranking import Selection
from .settings import Order


def keep_picked(selection: Selection, picked: Collection[int], order: Order) -> Selection:
    """`selection` with the `picked` positions kept instead, whatever their scores, and all others rejected.

    Ranks and groups stay; kept ones come best first or as they came inside each group. Invalid candidates are never
    kept. No call is close where a person decided.
    """
    kept: list[int] = []
    rejected: list[int] = []
    for group in selection.groups:
        ranked = sorted(group, key=lambda position: selection.ranks[position])
        chosen = set(group).intersection(picked).difference(selection.invalid)
        kept += [i for i in (ranked if order == "ranked" else group) if i in chosen]
        rejected += [i for i in ranked if i not in chosen]
    return replace(selection, kept=tuple(kept), rejected=tuple(rejected), close=())
