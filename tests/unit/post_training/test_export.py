"""Export of groups: captions, what is chosen, names, text files and tables."""

from __future__ import annotations

import io
import json
import struct
from collections.abc import Sequence
from typing import Any

import pytest
import torch

from ganrm_core.post_training.captions import caption
from ganrm_core.post_training.export import (
    TABLE_COLUMNS,
    ExportSettings,
    how_to_use,
    picture_name,
    plan_export,
    table_row,
    text_files,
)
from ganrm_core.post_training.groups import Group, Groups, Sampling
from ganrm_core.post_training.parquet import ParquetWriter
from ganrm_core.utils.errors import DataError


def group(prompt: int, logits: Sequence[float]) -> Group:
    count, values = len(logits), torch.tensor(logits)
    thumbnails = torch.zeros(count, 2, 2, 3, dtype=torch.uint8)
    latents = torch.zeros(count, 4, 2, 2)
    return Group(prompt, tuple(range(count)), latents, values, values, torch.zeros(count), thumbnails)


def groups(
    *logits: Sequence[float], prompts: Sequence[str] = ("a (cat:1.2)", "dog, embedding:bad")
) -> Groups:
    made = tuple(group(number % len(prompts), values) for number, values in enumerate(logits))
    return Groups(tuple(prompts), made, Sampling(1, 1.0, "euler", "simple"))


class TestCaptions:
    @pytest.mark.parametrize(
        ("prompt", "expected"),
        [
            ("a red bird", "a red bird"),
            ("a (red:1.2) bird", "a red bird"),
            ("((sharp)) (((x:1.3)):.5), y", "sharp x, y"),
            ("(a (b:1.2) c:0.8)", "a b c"),
            (r"nami \(one piece\), (smile)", "nami (one piece), smile"),
            ("ratio (16:9)", "ratio 16"),  # ComfyUI, too, reads a weight of 9 there
            ("(see: this)", "see: this"),
            ("a :) and (b", "a :) and (b"),
            ("two\nlines  here", "two lines here"),
            ("", ""),
        ],
    )
    def test_weights_and_escapes_go(self, prompt: str, expected: str) -> None:
        assert caption(prompt) == (expected, 0)

    def test_embeddings_go_and_are_counted(self) -> None:
        assert caption("cat, embedding:style_v2, (embedding:EasyNegative:1.2), sharp") == ("cat, sharp", 2)
        assert caption("embedding:a.pt") == ("", 1)

    def test_no_number_of_parentheses_is_too_many(self) -> None:
        assert caption("(" * 5000 + "x" + ")" * 5000) == ("x", 0)
        assert caption("(" * 5000)[0] == "(" * 5000


class TestChoice:
    def test_the_best_of_each_group_in_their_order(self) -> None:
        plan = plan_export(groups([0.1, 0.9, 0.5, 0.2], [3, 1, 2, 0]), ExportSettings(keep=2))
        assert [(each.group, each.sample, each.worse) for each in plan.examples] == [
            (0, 1, None),
            (0, 2, None),
            (1, 0, None),
            (1, 2, None),
        ]
        assert plan.captions == ("a cat", "a cat", "dog", "dog")
        assert plan.dropped == 1

    def test_pairs_put_the_best_against_the_worst(self) -> None:
        settings = ExportSettings("OneTrainer", "pairs", keep=5)
        plan = plan_export(groups([0.1, 0.9, 0.5, 0.2]), settings)
        assert [(each.sample, each.worse) for each in plan.examples] == [(1, 0), (2, 3)]

    def test_what_training_holds_out_is_exported_too_and_groups_alike_are_not(self) -> None:
        plan = plan_export(groups(*[[0.0, 1.0]] * 9, [0.5, 0.5]), ExportSettings(keep=1))
        assert [each.group for each in plan.examples] == list(range(9))
        assert plan.skipped == 1

    def test_groups_that_say_nothing_are_refused(self) -> None:
        with pytest.raises(DataError, match="same score"):
            plan_export(groups([0.5, 0.5]), ExportSettings())

    @pytest.mark.parametrize(
        ("settings", "words"),
        [
            ({"layout": "../evil"}, "no layout"),
            ({"what": "worst"}, "no choice of pictures"),
            ({"what": "pairs"}, "learns from no pairs"),
            ({"keep": 0}, "1 to 1024"),
        ],
    )
    def test_what_no_trainer_takes_is_refused(self, settings: dict[str, Any], words: str) -> None:
        with pytest.raises(DataError, match=words):
            ExportSettings(**settings)


class TestLayouts:
    def test_kohya_has_repeats_in_the_folder_and_a_text_beside_each(self) -> None:
        settings = ExportSettings("kohya", repeats=7)
        name = picture_name(settings, 0, "likes")
        assert name == "7_likes/0001.png"
        assert text_files(settings, [(name, "a cat"), ("7_likes/0002.png", "")]) == {
            "7_likes/0001.txt": "a cat\n",
            "7_likes/0002.txt": "\n",  # an empty file would stop sd-scripts
        }

    def test_onetrainer_pairs_have_equal_names_and_captions(self) -> None:
        settings = ExportSettings("OneTrainer", "pairs")
        names = [picture_name(settings, 11, "x", better=better) for better in (True, False)]
        assert names == ["chosen/0012.png", "rejected/0012.png"]
        assert set(text_files(settings, [(name, "cat") for name in names])) == {
            "chosen/0012.txt",
            "rejected/0012.txt",
        }

    def test_diffusers_has_one_line_of_json_a_picture(self) -> None:
        settings = ExportSettings("diffusers")
        (text,) = text_files(settings, [("0001.png", 'an "ü"\u2028'), ("0002.png", "b")]).values()
        assert [json.loads(line) for line in text.split("\n")[:-1]] == [
            {"file_name": "0001.png", "text": 'an "ü"\u2028'},
            {"file_name": "0002.png", "text": "b"},
        ]

    def test_every_layout_says_what_to_enter(self) -> None:
        for settings in (
            ExportSettings("kohya"),
            ExportSettings("OneTrainer"),
            ExportSettings("OneTrainer", "pairs"),
            ExportSettings("diffusers"),
            ExportSettings("diffusers", "pairs"),
        ):
            assert '"/a b"' in how_to_use(settings, "/a b")


class TestTable:
    def test_it_is_read_back_as_written(self) -> None:
        rows = [table_row(b"\x89PNG" * number, b"worse", f"käse {number}") for number in range(1, 4)]
        file = io.BytesIO()
        writer = ParquetWriter(file, TABLE_COLUMNS)
        for row in rows:
            writer.write([row])
        writer.close()
        assert read_parquet(file.getvalue()) == rows

    def test_a_value_of_another_kind_is_a_mistake(self) -> None:
        with pytest.raises(TypeError, match="no double"):
            ParquetWriter(io.BytesIO(), {"x": "double"}).write([{"x": "1"}])


def read_parquet(data: bytes) -> list[dict[str, Any]]:
    """Rows of a flat, plain file of required columns, by the fields of parquet.thrift."""
    assert data[:4] == data[-4:] == b"PAR1"
    (length,) = struct.unpack("<I", data[-8:-4])
    footer, _ = read_structure(data, len(data) - 8 - length)
    assert footer[1] == 1
    root, *columns = footer[2]
    assert root[5] == len(columns)
    rows: list[dict[str, Any]] = []
    for part in footer[4]:
        values = [read_column(data, chunk[3], column) for chunk, column in zip(part[1], columns, strict=True)]
        names = [column[4].decode() for column in columns]
        assert [chunk[3][3] for chunk in part[1]] == [[name.encode()] for name in names]
        rows += [dict(zip(names, row, strict=True)) for row in zip(*values, strict=True)]
    assert len(rows) == footer[3] == sum(part[3] for part in footer[4])
    return rows


def read_column(data: bytes, metadata: dict[int, Any], column: dict[int, Any]) -> list[Any]:
    header, place = read_structure(data, metadata[9])
    assert place + header[2] == metadata[9] + metadata[7]
    values: list[Any] = []
    for _ in range(header[5][1]):
        if metadata[1] == 5:
            values.append(struct.unpack_from("<d", data, place)[0])
            place += 8
            continue
        (size,) = struct.unpack_from("<I", data, place)
        value = data[place + 4 : place + 4 + size]
        values.append(value.decode() if column.get(6) == 0 else value)
        place += 4 + size
    return values


def read_structure(data: bytes, place: int) -> tuple[dict[int, Any], int]:
    """A structure in Thrift's compact protocol, as far as Parquet's footer needs it."""
    found: dict[int, Any] = {}
    number = 0
    while data[place]:
        number += data[place] >> 4
        found[number], place = read_value(data, place + 1, data[place] & 15)
    return found, place + 1


def read_value(data: bytes, place: int, kind: int) -> tuple[Any, int]:
    if kind == 12:
        return read_structure(data, place)
    if kind == 9:
        count, kind, place = data[place] >> 4, data[place] & 15, place + 1
        if count == 15:
            count, place = read_varint(data, place)
        values = []
        for _ in range(count):
            value, place = read_value(data, place, kind)
            values.append(value)
        return values, place
    number, place = read_varint(data, place)
    if kind == 8:
        return data[place : place + number], place + number
    return number >> 1 ^ -(number & 1), place


def read_varint(data: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        value |= (data[place] & 127) << shift
        if data[place] < 128:
            return value, place + 1
        place, shift = place + 1, shift + 7
