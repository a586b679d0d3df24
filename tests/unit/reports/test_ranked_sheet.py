from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from PIL import Image
from unit_support.drawn import Written, box_of, colour_of, where

from ganrm_core.reports.canvas import ACCENT, WARNING
from ganrm_core.reports.ranked_layout import arranged, best
from ganrm_core.reports.ranked_sheet import Ranked, ranked_sheet
from ganrm_core.reports.tile_lengths import SHOWN_WIDTH


def candidate(index: int, rank: int, score: float = 0.5, group: int = 0, kept: bool | None = None) -> Ranked:
    return Ranked(Image.new("RGB", (64, 64), colour_of(index % 16)), index + 1, rank, score, group, kept)


def candidates(count: int) -> list[Ranked]:
    """In order of rank, the scores falling from 0.91 on."""
    return [candidate(i, i + 1, 0.91 - 0.05 * i) for i in range(count)]


@pytest.mark.parametrize(("count", "columns"), [(1, 1), (3, 3), (4, 2), (5, 3), (8, 4), (16, 4), (100, 8)])
def test_columns_by_count(count: int, columns: int) -> None:
    found = arranged([candidates(count)])
    assert found.columns == columns
    assert [len(row.tiles) for row in found.rows[:-1]] == [columns] * (len(found.rows) - 1)
    assert len(found.candidates) == count
    wide = [replace(entry, image=torch.zeros((3, 20, 80), dtype=torch.uint8)) for entry in candidates(12)]
    assert arranged([wide]).columns == 3


def test_sixteen_tiles_can_be_read_in_a_node(written: Written) -> None:
    sheet = ranked_sheet(candidates(16))
    shown = {text: size * SHOWN_WIDTH / sheet.width for text, size in written.lines}
    assert min(shown["7"], shown["0.61"]) >= 15
    assert shown["7th"] >= 9.5
    texts = written.of(ranked_sheet, candidates(23))
    assert {"1st", "2nd", "3rd", "4th", "11th", "12th", "13th", "21st", "22nd", "23rd"} <= set(texts)


def test_the_header_says_what_matters(written: Written) -> None:
    entries = [candidate(i, 4 - i, score, kept=i == 3) for i, score in enumerate((0.124, 0.5, 0.58, 0.934))]
    texts = written.of(
        ranked_sheet, entries, thresholds={"balanced": 0.61, "fpr_5": 0.9}, model="clean photos"
    )
    assert texts[:8] == ["min", "0.12", "· median", "0.54", "· max", "0.93", "· suggested threshold", "0.61"]
    assert texts[8] == "4 pictures, 1 kept · clean photos"
    texts = written.of(ranked_sheet, candidates(3), thresholds={"fpr_5": 0.9})
    assert "3 pictures" in texts
    assert not {"· suggested threshold", "kept"} & set(texts)


def test_note_and_warning_take_lines_of_their_own_colour_above_the_pictures(written: Written) -> None:
    note = "1 and 2 are too close to call"
    warning = "None reached the minimum score of 0.90; the best is 0.40. Lower it, or make more candidates."
    texts = written.of(ranked_sheet, candidates(4), note=note, warning=warning)
    assert note in texts
    assert " ".join(texts[: texts.index("min")]) == warning, "first of all, and none of it cut"
    noted, warned = ranked_sheet(candidates(4), note=note), ranked_sheet(candidates(4), warning=warning)
    assert where(noted, ACCENT)[: box_of(noted, colour_of(0))[1]].any()
    assert not where(noted, WARNING).any()
    assert where(warned, WARNING).sum() > 1000


def test_a_long_model_name_is_whole_or_keeps_both_ends(written: Written) -> None:
    name = "taste_of_" + "_and_".join(["watercolour", "gouache", "ink", "pencil", "charcoal"]) + "_v2"
    assert name in "".join(written.of(ranked_sheet, candidates(1), model=name))
    ends = "".join(written.of(ranked_sheet, candidates(1), model=f"first{'W' * 150}last"))
    assert ends.index("first") < ends.index("last")


def test_scores_of_any_range_have_four_digits(written: Written) -> None:
    values = (0.5, -12.3456, 21234.5, float("nan"))
    texts = written.of(ranked_sheet, [candidate(i, i + 1, value) for i, value in enumerate(values)])
    assert texts[1:6:2] == ["-12.35", "0.5", "2.123e4"]
    assert {"0.5", "-12.35", "2.123e4", "?"} <= set(texts[7:])


def test_groups_are_drawn_in_blocks_of_their_own(written: Written) -> None:
    sheet = ranked_sheet([candidate(i, i % 4 + 1, group=i // 4) for i in range(16)])
    tops = [box_of(sheet, colour_of(i))[1] for i in range(0, 16, 4)]
    assert tops == sorted(set(tops))
    assert {"16 pictures in 4 groups", "group 1", "group 2", "group 3", "group 4"} <= set(written.texts)
    pairs = arranged(best([candidate(i, i % 2 + 1, group=i // 2) for i in range(16)], 64))
    assert (pairs.columns, pairs.block) == (4, 2), "small groups share a row, or the sheet would be a ribbon"
    long = arranged(best([candidate(i, i, group=i % 2) for i in range(40)], 64))
    assert long.columns == long.block <= 8
    assert [len(row.labels) for row in long.rows] == [1, 0, 0, 1, 0, 0]


def test_of_too_many_the_kept_and_the_best_are_shown(written: Written) -> None:
    entries = [candidate(i, 100 - i, i / 100, kept=i in (3, 99)) for i in range(100)]
    (chosen,) = best(entries, 10)
    assert [entry.rank for entry in chosen] == [1, 2, 3, 4, 5, 6, 7, 8, 9, 97]
    texts = written.of(ranked_sheet, entries, most=10)
    assert "100 pictures, 2 kept · best 10 shown, 90 left out" in texts
    assert texts[1:6:2] == ["0.00", "0.49", "0.99"], "of all of them"
    of_groups = best([candidate(0, i % 4 + 1, group=i // 4) for i in range(40)], 10)
    assert [(len(group), group[0].rank) for group in of_groups] == [(1, 1)] * 10
    with pytest.raises(ValueError, match="most"):
        ranked_sheet(entries, most=0)
