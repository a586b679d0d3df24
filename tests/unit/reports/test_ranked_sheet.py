from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from PIL import Image

from ganrm_core.reports import ranked_sheet as module
from ganrm_core.reports.canvas import WARNING
from ganrm_core.reports.ranked_layout import arranged, best
from ganrm_core.reports.ranked_sheet import Ranked, ranked_sheet
from ganrm_core.utils.errors import ImageError

GOLD = (255, 196, 61)
PAGE = (24, 24, 25)
SHOWN = 420  # pixels: the width of a node


def colour(index: int) -> tuple[int, int, int]:
    return 0, 100 + 9 * index, 255 - 3 * index


def candidate(index: int, rank: int, score: float, **more: object) -> Ranked:
    size = more.pop("size", (320, 320))
    arguments: dict[str, object] = {"number": index + 1, "rank": rank, "score": score, **more}
    return Ranked(Image.new("RGB", size, colour(index)), **arguments)  # type: ignore[arg-type]


def box_of(sheet: Image.Image, wanted: tuple[int, int, int]) -> tuple[int, int, int, int]:
    """left, top, right, bottom of the pixels of exactly this colour, which must fill the box."""
    found = (np.asarray(sheet) == wanted).all(axis=-1)
    rows, columns = np.flatnonzero(found.any(axis=1)), np.flatnonzero(found.any(axis=0))
    left, top, right, bottom = columns[0], rows[0], columns[-1] + 1, rows[-1] + 1
    assert found[top:bottom, left:right].all()
    return int(left), int(top), int(right), int(bottom)


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> Callable[[list[Ranked]], list[str]]:
    """(candidates, arguments) → every text on the sheet."""

    def texts(candidates: list[Ranked], **more: object) -> list[str]:
        found: list[str] = []
        write = module.write

        def recording(draw, place, text, *rest, **options):  # type: ignore[no-untyped-def]
            found.append(text)
            return write(draw, place, text, *rest, **options)

        with monkeypatch.context() as patch:
            patch.setattr(module, "write", recording)
            ranked_sheet(candidates, **more)  # type: ignore[arg-type]
        return found

    return texts


@pytest.mark.parametrize(
    ("count", "columns"), [(1, 1), (2, 2), (3, 3), (4, 2), (5, 3), (8, 4), (9, 3), (16, 4), (64, 8), (100, 8)]
)
def test_columns_by_count(count: int, columns: int) -> None:
    rows, found, _ = arranged([[candidate(0, i + 1, 0.5) for i in range(count)]])
    assert found == columns
    assert [len(row.tiles) for row in rows[:-1]] == [columns] * (len(rows) - 1)
    assert sum(len(row.tiles) for row in rows) == count


def test_wide_pictures_take_fewer_columns() -> None:
    assert arranged([[candidate(i, i + 1, 0.5, size=(800, 200)) for i in range(12)]])[1] == 3


@pytest.mark.parametrize("size", [(320, 320), (512, 2048), (2048, 512), (900, 700), (3000, 1)])
@pytest.mark.parametrize("pil", [False, True])
def test_pictures_stay_whole_uncovered_and_in_shape(size: tuple[int, int], pil: bool) -> None:
    images = [Image.new("RGB", size, colour(i)) for i in range(4)]
    tensors = [torch.from_numpy(np.array(image)).permute(2, 0, 1) for image in images]
    entries = [Ranked(images[i] if pil else tensors[i], i + 1, 4 - i, 0.2 * i, kept=i > 2) for i in range(4)]
    sheet = ranked_sheet(entries, model="m" * 300)
    for index in range(4):
        left, top, right, bottom = box_of(sheet, colour(index))
        assert (right - left) / (bottom - top) == pytest.approx(
            size[0] / size[1], rel=0.02
        ) or bottom - top == 1
        assert 0 < left < right < sheet.width
        assert 0 < top < bottom < sheet.height
        assert images[index].size == size
        assert (np.asarray(images[index]) == colour(index)).all()


@pytest.mark.parametrize(("text", "letters"), [("7", 12), ("0.61", 12), ("7th", 8)])
def test_sixteen_tiles_can_be_read_in_a_node(
    text: str, letters: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The number, the score and the rank of a tile, by how high their letters are on the screen."""
    entries = [candidate(i, i + 1, 0.91 - 0.05 * i) for i in range(16)]
    write = module.write

    def without(draw, place, given, *rest, **options):  # type: ignore[no-untyped-def]
        return 0.0 if given == text else write(draw, place, given, *rest, **options)

    sheets = [ranked_sheet(entries)]
    monkeypatch.setattr(module, "write", without)
    sheets.append(ranked_sheet(entries))
    size = (SHOWN, round(sheets[0].height * SHOWN / sheets[0].width))
    shown = [np.asarray(sheet.convert("L").resize(size, Image.Resampling.BOX), int) for sheet in sheets]
    ink = np.flatnonzero((abs(shown[0] - shown[1]) > 30).any(axis=1))
    assert letters <= ink[-1] - ink[0] + 1 < 2 * letters


def test_order_is_by_rank_from_left_to_right() -> None:
    entries = [candidate(i, (i * 5) % 9 + 1, 0.1 * i) for i in range(9)]
    sheet = ranked_sheet(entries)
    places = {entry.rank: box_of(sheet, colour(entry.number - 1)) for entry in entries}
    assert sorted(places, key=lambda rank: (places[rank][1], places[rank][0])) == list(range(1, 10))


def test_where_nothing_is_chosen_nothing_is_said_of_it(written: Callable[..., list[str]]) -> None:
    texts = written([candidate(i, i + 1, 0.5, kept=None) for i in range(3)])
    assert "3 pictures" in texts
    assert not any("kept" in text for text in texts)


def test_kept_ones_have_a_gold_frame() -> None:
    entries = [candidate(i, i + 1, 0.5, kept=i in (0, 2)) for i in range(4)]
    pixels = np.asarray(ranked_sheet(entries))
    for entry in entries:
        left, top, right, bottom = box_of(Image.fromarray(pixels), colour(entry.number - 1))
        around = pixels[max(0, top - 20) : bottom + 20, max(0, left - 20) : right + 20]
        above = (around[:20] == GOLD).all(axis=-1).any(axis=0).mean()
        assert (above > 0.8) == entry.kept
    assert not (np.asarray(ranked_sheet([candidate(0, 1, 0.5)])) == GOLD).all(axis=-1).any()


def test_the_header_says_what_matters(written: Callable[..., list[str]]) -> None:
    entries = [candidate(i, 4 - i, score, kept=i == 3) for i, score in enumerate((0.124, 0.5, 0.58, 0.934))]
    texts = written(entries, thresholds={"balanced": 0.61, "fpr_5": 0.9}, model="clean photos")
    assert texts[:8] == ["min", "0.12", "· median", "0.54", "· max", "0.93", "· suggested threshold", "0.61"]
    assert texts[8] == "4 pictures, 1 kept · clean photos"
    assert "· suggested threshold" not in written(entries, thresholds={"fpr_5": 0.9})
    assert written([candidate(0, 1, 1.0)])[5] == "1.00"
    assert written([candidate(0, 1, 0.0)])[5] == "0.00"


def test_a_note_stands_above_the_pictures(written: Callable[..., list[str]]) -> None:
    entries = [candidate(i, i + 1, 0.9, kept=i == 0) for i in range(4)]
    note = "1 and 2 are too close to call"
    assert note in written(entries, note=note)
    plain, noted = ranked_sheet(entries), ranked_sheet(entries, note=note)
    (left, top, _, _), (noted_left, noted_top, _, _) = (box_of(s, colour(0)) for s in (plain, noted))
    assert noted_left == left
    assert noted_top - top == noted.height - plain.height > 0
    above = np.asarray(noted)[: noted_top - 20]
    assert (above == GOLD).all(axis=-1).sum() > (np.asarray(plain)[: top - 20] == GOLD).all(axis=-1).sum()


def test_a_warning_stands_above_all_in_a_colour_of_its_own(written: Callable[..., list[str]]) -> None:
    entries = [candidate(i, i + 1, 0.4, kept=False) for i in range(4)]
    warning = "None reached the minimum score of 0.90; the best is 0.40. Lower it, or make more candidates."
    texts = written(entries, warning=warning)
    lines = texts[: texts.index("min")]
    assert " ".join(lines) == warning
    assert len(lines) > 1, "nothing of it is cut"
    plain, warned = (np.asarray(ranked_sheet(entries, warning=given)) for given in ("", warning))
    assert not (plain == WARNING).all(axis=-1).any()
    assert (warned == WARNING).all(axis=-1).sum() > 1000


def test_a_long_model_name_is_not_cut(written: Callable[..., list[str]]) -> None:
    name = "taste_of_" + "_and_".join(["watercolour", "gouache", "ink", "pencil", "charcoal"]) + "_v2"
    texts = written([candidate(0, 1, 0.4)], model=name)
    assert name in "".join(texts)
    ends = "".join(written([candidate(0, 1, 0.4)], model=f"first{'x' * 400}last"))
    assert "first" in ends
    assert "last" in ends


def test_scores_of_any_range_have_four_digits(written: Callable[..., list[str]]) -> None:
    values = (0.5, -12.3456, 21234.5, float("nan"))
    texts = written([candidate(i, i + 1, value) for i, value in enumerate(values)])
    assert texts[1:6:2] == ["−12.35", "0.5", "2.123e4"]
    assert {"0.5", "−12.35", "2.123e4", "?"} <= set(texts[7:])


def test_ranks_are_ordinals(written: Callable[..., list[str]]) -> None:
    texts = written([candidate(i % 16, i + 1, 0.5) for i in range(23)])
    for word in ("1st", "2nd", "3rd", "4th", "11th", "12th", "13th", "21st", "22nd", "23rd"):
        assert word in texts


def test_groups_stand_in_blocks_of_their_own(written: Callable[..., list[str]]) -> None:
    four_by_four = [candidate(i, i % 4 + 1, 0.9 - 0.1 * (i % 4), group=i // 4) for i in range(16)]
    sheet = ranked_sheet(four_by_four)
    tops = [box_of(sheet, colour(i))[1] for i in range(16)]
    assert [tops[i] for i in range(0, 16, 4)] == sorted(set(tops))
    texts = written(four_by_four)
    assert [text for text in texts if text.startswith("group")] == [f"group {n}" for n in (1, 2, 3, 4)]
    assert "16 pictures in 4 groups" in texts
    # Small groups share a band, so that the sheet does not become a ribbon.
    pairs = [candidate(i, i % 2 + 1, 0.5, group=i // 2) for i in range(16)]
    assert arranged(best(pairs, 64))[1:] == (4, 2)
    assert ranked_sheet(pairs).height < 2 * ranked_sheet(pairs).width


def test_a_long_group_breaks_into_lines() -> None:
    rows, columns, block = arranged(best([candidate(i % 9, i, 0.5, group=i % 2) for i in range(40)], 64))
    assert columns == block <= 8
    assert [len(row.labels) for row in rows] == [1, 0, 0, 1, 0, 0]


def test_of_too_many_the_kept_and_the_best_are_shown(written: Callable[..., list[str]]) -> None:
    entries = [candidate(i % 9, 100 - i, i / 100, kept=i in (3, 99)) for i in range(100)]
    (chosen,) = best(entries, 10)
    assert [entry.rank for entry in chosen] == [1, 2, 3, 4, 5, 6, 7, 8, 9, 97]
    texts = written(entries, most=10)
    assert "100 pictures, 2 kept · best 10 shown, 90 left out" in texts
    assert texts[1:6:2] == ["0.00", "0.49", "0.99"]  # of all of them
    of_groups = best([candidate(0, i % 4 + 1, 0.5, group=i // 4) for i in range(40)], 10)
    assert [(len(group), group[0].rank) for group in of_groups] == [(1, 1)] * 10


@pytest.mark.parametrize("count", [1, 2, 3, 8, 16, 64])
@pytest.mark.parametrize("scale", [1.0, -98765.4])
def test_nothing_runs_off_the_sheet(count: int, scale: float) -> None:
    entries = [candidate(i % 16, i + 1, scale * (i + 1) / 65, kept=True) for i in range(count)]
    sheet = ranked_sheet(entries, thresholds={"balanced": scale * 0.61}, model="W" * 300)
    pixels = np.asarray(sheet)
    edge = sheet.width * 8 // SHOWN
    for border in (pixels[:, :edge], pixels[:, -edge:], pixels[:edge], pixels[-edge // 3 :]):
        assert (border == PAGE).all()


@pytest.mark.parametrize("mode", ["L", "1", "P", "LA", "RGBA", "CMYK"])
def test_pictures_of_every_mode(mode: str) -> None:
    ranked_sheet([Ranked(Image.new(mode, (40, 30)), 1, 1, 0.5)])


def test_transparency_lies_over_mid_grey() -> None:
    clear = Image.new("RGBA", (100, 100), (255, 0, 0, 0))
    left, top, right, bottom = box_of(ranked_sheet([Ranked(clear, 1, 1, 0.5)]), (128, 128, 128))
    assert right - left == bottom - top == 200


def test_wrong_arguments() -> None:
    with pytest.raises(ImageError, match="no images"):
        ranked_sheet([])
    with pytest.raises(ImageError, match=r"\[3, H, W\]"):
        ranked_sheet([Ranked(torch.zeros(1, 4, 4, dtype=torch.uint8), 1, 1, 0.5)])
    with pytest.raises(ValueError, match="most"):
        ranked_sheet([candidate(0, 1, 0.5)], most=0)
