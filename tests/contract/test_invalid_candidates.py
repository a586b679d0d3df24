"""Candidates with NaN or infinite pixels or scores: ranked last, never kept, named, and harmless to the others."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch
from contract_support.nodes import grey, record_sheets
from contract_support.pack import Many
from contract_support.pictures import fail_to_save
from contract_support.rewards import Bright
from contract_support.sampling import Guider, Vae, best_seeds, worth
from torch import Tensor

NODE = "GANRMBestOfN"
NAN, INF = float("nan"), float("inf")


class TestBestOfN:
    @pytest.mark.parametrize("bad", [NAN, INF, -INF])
    def test_of_a_batch(self, pack: Any, bright: Bright, bad: float, monkeypatch: pytest.MonkeyPatch) -> None:
        drawn = record_sheets(pack, monkeypatch)
        images = grey(0.2, 0.8, 0.5, 0.9, 0.1, 0.42)
        images[3, 5, 7, 2] = bad  # the brightest
        result = pack.run(NODE, images=images, reward=bright, keep=6, min_keep=6, min_score=0.9)
        assert result["indices"] == [1, 2, 5, 0, 4]
        assert result["scores"][3] == 0.0
        assert result.ui["ranks"][3] == 6
        assert result.ui["spoilt"] == [3]
        assert json.dumps(result.ui, allow_nan=False)
        (best,), (rejected,) = result["best"], result["rejected"]
        assert torch.equal(best, images[[1, 2, 5, 0, 4]])
        assert torch.equal(rejected.nan_to_num(), images[[3]].nan_to_num())
        assert "5 kept: 2, 3, 6, 1, 5 · 4 is spoilt (NaN or infinite values) · " in result["summary"]
        assert "min 0.05 · median 0.21 · max 0.40" in result["summary"]
        ((entries, options),) = drawn
        assert options["note"].startswith("4 is spoilt (NaN or infinite values)")
        assert [number for number, entry in enumerate(entries) if np.isnan(entry.score)] == [3]

    def test_of_groups_and_of_clips_with_latents(self, pack: Any, bright: Bright) -> None:
        result = pack.run(NODE, images=grey(0.2, NAN, NAN, NAN, 0.6, 0.5), reward=bright, group_size=2)
        assert result["indices"] == [0, 4], "a group of invalid ones keeps none"
        assert result.ui["ranks"] == [1, 2, 1, 2, 1, 2]
        assert result.ui["spoilt"] == [1, 2, 3]
        clips, samples = Many([grey(0.9, NAN, 0.9), grey(0.2, 0.3), grey(0.1)]), torch.rand(3, 4, 2, 2)
        inputs = {"candidate": "each list item", "latents": {"samples": samples}}
        result = pack.run(NODE, images=clips, reward=bright, **inputs)
        assert result["indices"] == [1]
        assert torch.equal(result["best_latents"][0]["samples"], samples[[1]])
        assert result["rejected"][-1] is clips[0]

    @pytest.mark.usefixtures("folders")
    @pytest.mark.parametrize("bad", [NAN, INF, -INF])
    def test_scores_from_elsewhere(self, pack: Any, bad: float) -> None:
        given = Many([-3.0, bad, -5.0, 9.0])
        result = pack.run(NODE, images=grey(0.1, 0.2, 0.3, NAN), given_scores=given, keep=4)
        assert result["indices"] == [0, 2]
        assert result["scores"] == [-3.0, 0.0, -5.0, 0.0]
        assert result.ui["spoilt"] == [1, 3]
        assert result["summary"].endswith(
            "2 and 4 are spoilt (NaN or infinite values) · min −5 · median −4 · max −3"
        )


class OverflowingVae(Vae):
    """Decodes what is brighter than `above` to NaN, in the `calls` given."""

    def __init__(self, above: float, calls: range = range(1000)) -> None:
        self.above, self.calls, self.count = above, calls, 0

    def decode(self, latents: Tensor) -> Tensor:
        pictures = super().decode(latents).clone()
        if self.count in self.calls:
            pictures[pictures.mean(dim=(1, 2, 3)) > self.above] = torch.nan
        self.count += 1
        return pictures


class TestSamplers:
    """The 16 candidates are worth 0, 1/16 … 15/16."""

    def test_the_best_of_the_others_are_kept(self, run_sampler: Any) -> None:
        result = run_sampler(vae=OverflowingVae(above=0.9), keep=3)
        assert result["seeds"] == best_seeds(16)[1:4]
        lost = best_seeds(1)[0]
        assert result.ui["spoilt"] == [lost]
        assert result.ui["all_scores"][lost] == 0.0
        assert f"{lost + 1} is spoilt (NaN or infinite values)" in result["summary"]
        assert json.dumps(result.ui, allow_nan=False)
        few = run_sampler(vae=OverflowingVae(above=0.1), keep=5)
        assert few["seeds"] == best_seeds(16)[-2:], "fewer than asked for"
        assert len(few["images"]) == len(few["latents"]) == len(few["scores"]) == 2

    def test_half_sampled_ones_are_dropped_first(self, run_sampler: Any) -> None:
        result = run_sampler(vae=OverflowingVae(above=0.7), pruning="standard", keep=2)
        fine = [seed for seed in best_seeds(16) if worth(seed) < 0.69]
        assert result["seeds"] == fine[:2]
        assert result.ui["spoilt"] == sorted(set(best_seeds(16)) - set(fine))
        scores = result.ui["looks"][0]["scores"]
        zero = {int(number) for number, score in scores.items() if score == 0.0}
        assert zero - {0} == {*result.ui["spoilt"]}

    @pytest.mark.parametrize(
        ("pruning", "what", "calls"),
        [("off", "pictures hold", 160), ("standard", "pictures after 3 steps", 48)],
    )
    def test_all_of_them_end_the_run_at_once(
        self, run_sampler: Any, errors: Any, pruning: str, what: str, calls: int
    ) -> None:
        guider = Guider()
        with pytest.raises(errors.ImageError, match=f"All 16 {what}.*VAE.*--fp32-vae"):
            run_sampler(guider=guider, vae=OverflowingVae(above=-1), pruning=pruning)
        assert len(guider.asked) == calls


def test_a_full_temporary_folder_costs_only_the_picture_on_the_node(
    pack: Any, bright: Bright, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    fail_to_save(monkeypatch, OSError(28, "No space left on device"))
    result = pack.run(NODE, images=grey(0.2, 0.8), reward=bright)
    assert result["indices"] == result.ui["indices"] == [1]
    assert result.ui["images"] == []
    assert "cannot be shown on its node" in caplog.text
    assert "disk is full" in caplog.text
