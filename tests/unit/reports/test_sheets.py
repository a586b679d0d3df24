"""Contact, numbered and ranked sheets, and what they have in common."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from unit_support.drawn import Written, box_of, colour_of, where

from ganrm_core.reports.canvas import ACCENT, PAGE, WARNING
from ganrm_core.reports.contact_sheet import Tile, contact_sheet, grid
from ganrm_core.reports.numbered_sheet import Numbered, numbered_sheet
from ganrm_core.reports.ranked_layout import arranged, best
from ganrm_core.reports.ranked_sheet import Ranked, ranked_sheet
from ganrm_core.reports.tile_lengths import SHOWN_WIDTH
from ganrm_core.utils.errors import ImageError

Draw = Callable[..., Image.Image]
PICTURE = Image.new("RGB", (9, 9))
TILE = Tile(PICTURE, ("a",))


def contact(pictures: Sequence[Image.Image], text: str = "", marked: Collection[int] = ()) -> Image.Image:
    tiles = [Tile(p, ("0.5", text), i in marked, badge=f"#{i}{text}") for i, p in enumerate(pictures)]
    return contact_sheet([tiles], title=text, row_labels=[text])


def ranked(pictures: Sequence[Image.Image], text: str = "", marked: Collection[int] = ()) -> Image.Image:
    score = -98765.4 if text else 0.5
    entries = [Ranked(p, i + 1, i + 1, score, kept=i in marked) for i, p in enumerate(pictures)]
    return ranked_sheet(entries, model=text, note=text, warning=text)


def numbered(pictures: Sequence[Image.Image], text: str = "", marked: Collection[int] = ()) -> Image.Image:
    entries = [Numbered(p, i + 1, text, i in marked, score="0.5") for i, p in enumerate(pictures)]
    return numbered_sheet(entries, title="Title", hint=text, legend=text)


def candidate(index: int, rank: int, score: float = 0.5, group: int = 0, kept: bool | None = None) -> Ranked:
    return Ranked(Image.new("RGB", (64, 64), colour_of(index % 16)), index + 1, rank, score, group, kept)


def candidates(count: int) -> list[Ranked]:
    """In order of rank, the scores falling from 0.91 on."""
    return [candidate(i, i + 1, 0.91 - 0.05 * i) for i in range(count)]


every_sheet = pytest.mark.parametrize("draw", [contact, ranked, numbered])


def plain(count: int, size: tuple[int, int] = (64, 64)) -> list[Image.Image]:
    return [Image.new("RGB", size, colour_of(index)) for index in range(count)]


@every_sheet
@pytest.mark.parametrize("size", [(320, 320), (128, 512), (512, 128), (3000, 1)])
def test_pictures_are_whole_uncovered_and_in_order(draw: Draw, size: tuple[int, int]) -> None:
    sheet, places = draw(plain(4, size), "m" * 90), []
    for index in range(4):
        left, top, right, bottom = box_of(sheet, colour_of(index))
        width, height = right - left, bottom - top
        assert height == 1 or width / height == pytest.approx(size[0] / size[1], rel=0.02)
        assert max(width, height) > sheet.width / 6
        places.append((top, left))
    assert places == sorted(places)


@every_sheet
def test_marked_pictures_have_a_gold_frame(draw: Draw) -> None:
    sheet = draw(plain(4), marked=(0, 2))
    gold = where(sheet, ACCENT)
    framed = []
    for index in range(4):
        left, top, right, _ = box_of(sheet, colour_of(index))
        framed.append(bool(gold[max(0, top - 100) : top, (left + right) // 2].any()))
    assert framed == [True, False, True, False]
    assert not where(draw(plain(4)), ACCENT).any()
    with pytest.raises(ImageError, match="at least one"):
        draw([])


@every_sheet
@pytest.mark.parametrize("count", [1, 3, 16])
def test_nothing_runs_off_the_sheet(draw: Draw, count: int) -> None:
    pixels = np.asarray(draw(plain(count), "W" * 150, marked=range(count)))
    for edge in (pixels[:, :8], pixels[:, -8:], pixels[:8], pixels[-8:]):
        assert (edge == PAGE).all()


class TestContactSheet:
    def test_wrong_arguments(self) -> None:
        for pixels in (torch.zeros(4, 4, 3, dtype=torch.uint8), torch.zeros(3, 4, 4)):
            with pytest.raises(ImageError, match=r"uint8 image \[3, H, W\]"):
                contact_sheet([[Tile(pixels)]])
        with pytest.raises(ValueError, match="row labels"):
            contact_sheet([[TILE]], row_labels=["a", "b"])
        with pytest.raises(ValueError, match="columns"):
            grid([TILE], 0)

    def test_rows_of_a_grid_and_frames_of_any_colour(self) -> None:
        assert grid([TILE] * 3, 2).size == contact_sheet([[TILE] * 2, [TILE]]).size
        assert where(contact_sheet([[Tile(PICTURE, highlight="red")]]), (255, 0, 0)).any()


class TestNumberedSheet:
    def test_of_too_many_the_marked_ones_and_then_the_first_stay(self, written: Written) -> None:
        entries = [Numbered(PICTURE, n, marked=n == 20) for n in range(1, 21)]
        texts = written.of(numbered_sheet, entries, title="t", hint="Pick.", most=4)
        assert texts == ["t", "Pick. 4 of 20 are shown.", "1", "2", "3", "20"]

    @pytest.mark.parametrize("count", [4, 16, 64])
    def test_scores_and_notes_can_be_read_and_are_whole(self, count: int, written: Written) -> None:
        """Scores at least as large as on ranked sheets, whatever the tile's width; notes never lose a word."""
        half = count // 2
        entries = [Numbered(PICTURE, n + 1, score="0.83") for n in range(half)]
        entries += [Numbered(PICTURE, n + 1, "given up\nafter step 6") for n in range(half, count)]
        sheet = numbered_sheet(entries, title="t", legend="Gold: kept.")
        scores = [size for text, size in written.lines if text == "0.83"]
        assert len(scores) == half
        assert min(scores) * SHOWN_WIDTH / sheet.width >= 9.9
        assert " ".join(written.texts).count("given up after step 6") == half
        assert written.texts[-1] == "Gold: kept."


class TestRankedSheet:
    def test_sixteen_tiles_can_be_read_in_a_node(self, written: Written) -> None:
        sheet = ranked_sheet(candidates(16))
        shown = {text: size * SHOWN_WIDTH / sheet.width for text, size in written.lines}
        assert min(shown["7"], shown["0.61"]) >= 15
        assert shown["7th"] >= 9.5
        wide = [replace(entry, image=torch.zeros((3, 20, 80), dtype=torch.uint8)) for entry in candidates(12)]
        assert arranged([wide]).columns == 3
        texts = written.of(ranked_sheet, candidates(23))
        assert {"1st", "2nd", "3rd", "4th", "11th", "12th", "13th", "21st", "22nd", "23rd"} <= set(texts)

    def test_the_header_says_what_matters(self, written: Written) -> None:
        entries = [
            candidate(i, 4 - i, score, kept=i == 3) for i, score in enumerate((0.124, 0.5, 0.58, 0.934))
        ]
        texts = written.of(
            ranked_sheet, entries, thresholds={"balanced": 0.61, "fpr_5": 0.9}, model="clean photos"
        )
        header = "min", "0.12", "· median", "0.54", "· max", "0.93", "· suggested threshold", "0.61"
        assert texts[:8] == [*header]
        assert texts[8] == "4 pictures, 1 kept · clean photos"
        texts = written.of(ranked_sheet, candidates(3), thresholds={"fpr_5": 0.9})
        assert "3 pictures" in texts
        assert not {"· suggested threshold", "kept"} & set(texts)

    def test_note_and_warning_take_lines_of_their_own_colour_above_the_pictures(
        self, written: Written
    ) -> None:
        note = "1 and 2 are too close to call"
        warning = (
            "None reached the minimum score of 0.90; the best is 0.40. Lower it, or make more candidates."
        )
        texts = written.of(ranked_sheet, candidates(4), note=note, warning=warning)
        assert note in texts
        assert " ".join(texts[: texts.index("min")]) == warning, "first of all, and none of it cut"
        noted, warned = ranked_sheet(candidates(4), note=note), ranked_sheet(candidates(4), warning=warning)
        assert where(noted, ACCENT)[: box_of(noted, colour_of(0))[1]].any()
        assert not where(noted, WARNING).any()
        assert where(warned, WARNING).sum() > 1000

    def test_groups_are_drawn_in_blocks_of_their_own(self, written: Written) -> None:
        sheet = ranked_sheet([candidate(i, i % 4 + 1, group=i // 4) for i in range(16)])
        tops = [box_of(sheet, colour_of(i))[1] for i in range(0, 16, 4)]
        assert tops == sorted(set(tops))
        assert {"16 pictures in 4 groups", "group 1", "group 2", "group 3", "group 4"} <= set(written.texts)
        pairs = arranged(best([candidate(i, i % 2 + 1, group=i // 2) for i in range(16)], 64))
        assert (pairs.columns, pairs.block) == (4, 2), (
            "small groups share a row, or the sheet would be a ribbon"
        )
        long = arranged(best([candidate(i, i, group=i % 2) for i in range(40)], 64))
        assert long.columns == long.block <= 8
        assert [len(row.labels) for row in long.rows] == [1, 0, 0, 1, 0, 0]

    def test_of_too_many_the_kept_and_the_best_are_shown(self, written: Written) -> None:
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
