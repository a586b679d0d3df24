"""Node "Export Groups": files on disk, names that are taken, refusals, and nothing half-written."""

from __future__ import annotations

import errno
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from contract_support.folders import files
from contract_support.post_training import EXPORT
from PIL import Image


def level(path: Path) -> float:
    with Image.open(path) as picture:
        return round(picture.getpixel((0, 0))[0] / 255, 1)


def test_kohya(export_groups: Any, folders: Any) -> None:
    result = export_groups(repeats=3)
    home = folders.output / "export" / "3_export"
    assert files(folders.output / "export") == [
        "3_export",
        *(f"3_export/{number:04}.{suffix}" for number in (1, 2, 3, 4) for suffix in ("png", "txt")),
    ]
    assert [level(home / f"{number:04}.png") for number in (1, 2, 3, 4)] == [0.9, 0.5, 0.8, 0.6]
    assert [(home / f"{number:04}.txt").read_text() for number in (1, 3)] == ["a cat\n", "dog\n"]
    assert result["count"] == 4
    assert {Path(path) for path in result["files"]} == set(home.iterdir())
    assert "4 pictures written to output/export." in result["summary"]
    assert "Embeddings left out of the captions: 1." in result["summary"]
    assert str(folders.output / "export") in result["summary"]


def test_the_pictures_carry_score_and_seed_but_no_workflow(export_groups: Any, folders: Any) -> None:
    export_groups(layout="OneTrainer", keep=1)
    with Image.open(folders.output / "export" / "0001.png") as picture:
        assert list(picture.text) == ["ganrm"]
        assert json.loads(picture.text["ganrm"]) == {"score": pytest.approx(0.9), "seed": 1}


def test_the_dataset_holds_the_better_pictures(export_groups: Any, folders: Any, is_blocked: Any) -> None:
    dataset = export_groups(layout="OneTrainer", what="pairs", keep=1)["dataset"]
    assert dataset.name == "output/export"
    assert dataset.paths == tuple(
        folders.output / "export" / "chosen" / f"000{number}.png" for number in (1, 2)
    )
    assert is_blocked(export_groups(layout="diffusers", what="pairs")["dataset"])


def test_onetrainer_pairs(export_groups: Any, folders: Any) -> None:
    result = export_groups(layout="OneTrainer", what="pairs")
    home = folders.output / "export"
    for kind, levels in (("chosen", [0.9, 0.5, 0.8, 0.6]), ("rejected", [0.1, 0.2, 0.3, 0.4])):
        assert [level(home / kind / f"{number:04}.png") for number in (1, 2, 3, 4)] == levels
    for number in (1, 2, 3, 4):
        texts = [(home / kind / f"{number:04}.txt").read_text() for kind in ("chosen", "rejected")]
        assert texts[0] == texts[1]
    assert "4 pairs written" in result["summary"]
    assert "chosen/{}" in result["summary"]


def test_diffusers(export_groups: Any, folders: Any) -> None:
    export_groups(layout="diffusers", keep=1)
    lines = (folders.output / "export" / "metadata.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == [
        {"file_name": "0001.png", "text": "a cat"},
        {"file_name": "0002.png", "text": "dog"},
    ]
    result = export_groups(layout="diffusers", what="pairs", keep=1)
    (table,) = result["files"]
    assert Path(table) == folders.output / "export (2)" / "train.parquet"
    data = Path(table).read_bytes()
    assert data[:4] == data[-4:] == b"PAR1"
    assert data.count(b"\x89PNG") == 4


def test_the_same_is_not_written_twice_and_another_never_over_it(export_groups: Any, folders: Any) -> None:
    first = export_groups()
    (folders.output / "export" / "10_export" / "0001.npz").write_bytes(b"what a trainer caches")
    again = export_groups()
    assert again["files"] == first["files"]
    assert "nothing written" in again["summary"]
    other = export_groups(keep=1)
    assert Path(other["files"][-1]).parent == folders.output / "export (2)" / "10_export"
    assert export_groups(keep=1)["files"] == other["files"]
    caption = folders.output / "export" / "10_export" / "0001.txt"
    caption.write_text("corrected by hand\n")
    assert "export (3)" in export_groups()["files"][0]
    assert caption.read_text() == "corrected by hand\n"


@pytest.mark.parametrize("what", ["best", "pairs"])
def test_a_full_disk_leaves_nothing(
    export_groups: Any, folders: Any, errors: Any, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    write = Path.write_bytes
    written = []

    def full(path: Path, data: bytes) -> int:
        written.append(path)
        if len(written) > 3:
            write(path, data[:5])
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        return write(path, data)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(errors.OutputError, match="the disk is full") as raised:
        export_groups(layout="OneTrainer", what=what, folder="deep/export")
    assert "deep/export" in str(raised.value).replace("\\\\", "/")
    assert ".part" not in str(raised.value).split("Cannot")[1].split(":")[0]
    assert files(folders.output) == []


def test_cancel_leaves_nothing(export_groups: Any, folders: Any, cancel: Any) -> None:
    seen = iter(range(100))
    interrupted = cancel(lambda: next(seen) > 2)
    with pytest.raises(interrupted):
        export_groups()
    assert files(folders.output) == []


def test_a_spoilt_picture_is_named(export_groups: Any, folders: Any, errors: Any, scored_groups: Any) -> None:
    scored_groups.groups.groups[1].latents[0] = torch.nan
    with pytest.raises(errors.ImageError, match="spoilt"):
        export_groups()
    assert files(folders.output) == []


def test_another_vae_is_refused(
    pack: Any, export_groups: Any, scored_groups: Any, errors: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        pack.module("nodes.host.training.fingerprints"), "vae_fingerprint", lambda _: "this one"
    )
    made = {
        vae: replace(scored_groups, groups=replace(scored_groups.groups, vae=vae))
        for vae in ("that", "this one")
    }
    with pytest.raises(errors.DataError, match="another VAE"):
        export_groups(groups=made["that"])
    export_groups(groups=made["this one"])


@pytest.mark.parametrize("folder", ["../evil", "/etc/evil", "input/x", "C:\\evil", "a/../../b", "", "output"])
def test_it_writes_only_below_output_and_datasets(
    export_groups: Any, pack: Any, errors: Any, folder: str
) -> None:
    with pytest.raises(errors.OutputError):
        export_groups(folder=folder)
    assert pack.refusal(EXPORT, folder=folder)


def test_a_dataset_folder_is_fine(export_groups: Any, folders: Any) -> None:
    result = export_groups(folder="datasets/mine", layout="OneTrainer")
    assert result["dataset"].name == "datasets/mine"
    assert (folders.models / "ganrm_datasets" / "mine" / "0001.png").exists()


def test_what_no_trainer_takes_is_refused_when_it_is_queued(pack: Any, folders: Any) -> None:
    assert "learns from no pairs" in pack.refusal(
        EXPORT, folder="x", layout="kohya", what="pairs", keep=1, repeats=1
    )
    assert "no layout 'evil'" in pack.refusal(
        EXPORT, folder="x", layout="evil", what="best", keep=1, repeats=1
    )
    assert "1 to 1024" in pack.refusal(EXPORT, folder="x", layout="kohya", what="best", keep=0, repeats=1)
    assert pack.refusal(EXPORT, folder=None, layout=None, what=None, keep=None, repeats=None) == ""


def test_a_deleted_export_is_made_again(pack: Any, export_groups: Any, folders: Any) -> None:
    fingerprint = pack.node(EXPORT).fingerprint_inputs
    before = fingerprint(folder="export")
    export_groups(layout="OneTrainer")
    after = fingerprint(folder="export")
    assert before != after == fingerprint(folder="export")
    (folders.output / "export" / "0001.png").unlink()
    assert fingerprint(folder="export") != after
    assert fingerprint(folder="../evil")  # never raises
