"""The list of known judges: how their files are found and recognised."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from ganrm_core.rewards.known.aesthetic import LAION_V2, V2_5, Predictor
from ganrm_core.rewards.known.judges import JUDGES, judge_named
from ganrm_core.utils.errors import BackboneError


def test_a_judge_is_found_by_the_name_it_is_published_under() -> None:
    hps = judge_named("HPS v2.1")
    assert (
        hps.find(["kind/other.pt", "kind/deep/hps_v2.1_compressed.PT"]) == "kind/deep/hps_v2.1_compressed.PT"
    )
    assert hps.find(["HPS_v2_compressed.pt"]) is None
    with pytest.raises(BackboneError, match=r"no known judge 'me'.*PickScore v1"):
        judge_named("me")


def test_every_judge_names_its_file_source_and_licence() -> None:
    names = [name for judge in JUDGES for name in judge.published]
    assert len(set(names)) == len(names)
    assert all(judge.source and judge.licence for judge in JUDGES)


@pytest.mark.parametrize("predictor", [LAION_V2, V2_5], ids=lambda predictor: predictor.kind)
def test_an_encoder_is_recognised_by_its_shapes(predictor: Predictor, tmp_path: Path) -> None:
    for number, shapes in enumerate(predictor.shapes):
        right = {name: torch.zeros(shape, dtype=torch.float16) for name, shape in shapes.items()}
        name = next(iter(right))
        for file, tensors in (("right", right), ("wrong", {**right, name: torch.zeros(2, 3)})):
            save_file(tensors, tmp_path / f"{file}{number}.safetensors")
        assert predictor.recognises(tmp_path / f"right{number}.safetensors")
        assert not predictor.recognises(tmp_path / f"wrong{number}.safetensors")
    damaged = tmp_path / "damaged.safetensors"
    damaged.write_bytes(b"\xff" * 64)
    assert not predictor.recognises(damaged)


@pytest.mark.parametrize("judge", JUDGES, ids=lambda judge: judge.name)
def test_every_judge_says_what_is_wrong_with_a_strange_file(judge: object, tmp_path: Path) -> None:
    strange = tmp_path / "strange.pt"
    torch.save({"a": torch.zeros(2)}, strange)
    with pytest.raises(BackboneError):
        judge.load(strange, None)  # type: ignore[attr-defined]
