"""Candidates with NaN or infinite pixels: last, never kept, named, and nothing lost by the others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from contract_support.pack import Many
from contract_support.rewards import Bright
from contract_support.sampling import Guider, Vae, best_seeds, worth
from PIL import Image
from torch import Tensor

NODE = "GANRMBestOfN"
LEVELS = (0.2, 0.8, 0.5, 0.9, 0.1, 0.42)


def grey(*levels: float) -> Tensor:
    return torch.stack([torch.full((6, 8, 3), level) for level in levels])


@pytest.fixture
def bright(pack: Any, folders: Any) -> Bright:
    return Bright(pack, {"balanced": 0.31})


@pytest.fixture
def errors(pack: Any) -> Any:
    return pack.module("ganrm_core.utils.errors")


class TestBestOfN:
    @pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
    def test_of_a_batch(self, pack: Any, bright: Bright, bad: float) -> None:
        images = grey(*LEVELS)
        images[3, 5, 7, 2] = bad  # the brightest
        result = pack.run(NODE, images=images, reward=bright, keep=5)
        assert result["indices"] == [1, 2, 5, 0, 4]
        assert len(result["scores"]) == 6
        assert result["scores"][3] == 0.0
        assert result.ui["ranks"][3] == 6
        assert result.ui["spoilt"] == [3]
        assert json.dumps(result.ui, allow_nan=False)
        (best,), (rejected,) = result["best"], result["rejected"]
        assert torch.equal(best, images[[1, 2, 5, 0, 4]])
        assert torch.equal(rejected, images[[3]]) or torch.isnan(rejected[0, 5, 7, 2])
        assert "5 kept: 2, 3, 6, 1, 5 · 4 is spoilt (NaN or infinite values) · " in result["summary"]
        assert "min 0.05 · median 0.21 · max 0.40" in result["summary"]

    def test_never_kept_however_many_are_asked_for(self, pack: Any, bright: Bright) -> None:
        images = grey(0.2, float("nan"), 0.4, 0.3)
        result = pack.run(NODE, images=images, reward=bright, keep=4, min_keep=4, min_score=0.9)
        assert result["indices"] == [2, 3, 0]

    def test_of_a_group(self, pack: Any, bright: Bright) -> None:
        nan = float("nan")
        result = pack.run(NODE, images=grey(0.2, nan, nan, nan, 0.6, 0.5), reward=bright, group_size=2)
        assert result["indices"] == [0, 4], "a group of nothing else keeps none"
        assert result.ui["ranks"] == [1, 2, 1, 2, 1, 2]
        assert result.ui["spoilt"] == [1, 2, 3]

    def test_latents_and_clips(self, pack: Any, bright: Bright) -> None:
        clips = Many([grey(0.9, float("nan"), 0.9), grey(0.2, 0.3), grey(0.1)])
        samples = torch.rand(3, 4, 2, 2)
        result = pack.run(
            NODE, images=clips, reward=bright, candidate="each list item", latents={"samples": samples}
        )
        assert result["indices"] == [1]
        assert torch.equal(result["best_latents"][0]["samples"], samples[[1]])
        assert result["rejected"][-1] is clips[0]

    def test_it_is_too_close_to_nobody(self, pack: Any, bright: Bright) -> None:
        result = pack.run(NODE, images=grey(0.0, float("nan")), reward=bright, ties="surer first")
        assert result.ui["close"] == [[]]

    def test_all_of_them(self, pack: Any, bright: Bright) -> None:
        error = pack.module("ganrm_core.utils.errors").ImageError
        with pytest.raises(error, match=r"All 2 pictures hold NaN or infinite values.*VAE.*--fp32-vae"):
            pack.run(NODE, images=grey(float("nan"), float("nan")), reward=bright)
        assert not bright.seen

    @pytest.mark.usefixtures("folders")
    @pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
    def test_scores_from_elsewhere(self, pack: Any, bad: float) -> None:
        result = pack.run(NODE, images=grey(0.1, 0.2, 0.3), given_scores=Many([-3.0, bad, -5.0]), keep=3)
        assert result["indices"] == [0, 2]
        assert result["scores"] == [-3.0, 0.0, -5.0]
        assert result.ui["spoilt"] == [1]
        assert result["summary"].endswith(
            "2 is spoilt (NaN or infinite values) · min −5 · median −4 · max −3"
        )

    @pytest.mark.usefixtures("folders")
    def test_spoilt_pictures_with_scores_from_elsewhere(self, pack: Any) -> None:
        result = pack.run(NODE, images=grey(float("nan"), 0.2), given_scores=Many([9.0, 1.0]))
        assert result["indices"] == [1]

    def test_the_sheet_says_so(self, pack: Any, bright: Bright, monkeypatch: pytest.MonkeyPatch) -> None:
        module, drawn = pack.module("nodes.display.ranked_sheets"), []
        draw = module.ranked_sheet
        monkeypatch.setattr(
            module,
            "ranked_sheet",
            lambda entries, **more: [drawn.append((entries, more)), draw(entries, **more)][1],
        )
        pack.run(NODE, images=grey(0.8, float("nan"), 0.81), reward=bright)
        ((entries, more),) = drawn
        assert more["note"] == "2 is spoilt (NaN or infinite values) · 3 and 1 are too close to call"
        assert np.isnan([entry.score for entry in entries]).tolist() == [False, True, False]


class SpoilingVae(Vae):
    """Decodes to NaN what is brighter than `above`, all or only once the call number reaches `from_call`."""

    def __init__(self, above: float, calls: range = range(1000)) -> None:
        self.above, self.calls, self.count = above, calls, 0

    def decode(self, latents: Tensor) -> Tensor:
        pictures = super().decode(latents).clone()
        if self.count in self.calls:
            pictures[pictures.mean(dim=(1, 2, 3)) > self.above] = torch.nan
        self.count += 1
        return pictures


class TestSamplers:
    """Candidates that decode to NaN. With 16 candidates the worths are 0, 1/16 … 15/16."""

    def test_the_best_of_the_others_is_kept(self, run_sampler: Any) -> None:
        result = run_sampler(vae=SpoilingVae(above=0.9), keep=3)
        assert result["seeds"] == best_seeds(16)[1:4]
        lost = best_seeds(1)[0]
        assert result.ui["spoilt"] == [lost]
        assert result.ui["all_scores"][lost] == 0.0
        assert f"{lost + 1} is spoilt (NaN or infinite values)" in result["summary"]
        assert json.dumps(result.ui, allow_nan=False)

    def test_half_made_ones_are_given_up_first(self, run_sampler: Any) -> None:
        result = run_sampler(vae=SpoilingVae(above=0.7), pruning="standard", keep=2)
        fine = [seed for seed in best_seeds(16) if worth(seed) < 0.69]
        assert result["seeds"] == fine[:2]
        assert result.ui["spoilt"] == sorted(set(best_seeds(16)) - set(fine))
        step = result.ui["looks"][0]
        assert {
            int(number) for number, score in step["scores"].items() if score == 0.0 and int(number)
        } == set(result.ui["spoilt"])

    def test_spoilt_half_made_but_fine_at_the_end(self, run_sampler: Any) -> None:
        """Where too few others are left they go on."""
        result = run_sampler(vae=SpoilingVae(above=0.1, calls=range(2)), pruning="gentle", keep=8)
        assert len(result["seeds"]) == 8
        assert not set(result.ui["spoilt"]) & set(result["seeds"])

    def test_fewer_than_asked_for(self, run_sampler: Any) -> None:
        result = run_sampler(vae=SpoilingVae(above=0.1), keep=5)
        assert result["seeds"] == best_seeds(16)[-2:]
        assert len(result["images"]) == len(result["latents"]) == len(result["scores"]) == 2

    @pytest.mark.parametrize(
        ("pruning", "words"), [("off", "pictures hold"), ("standard", "pictures after 3 steps")]
    )
    def test_all_of_them(self, run_sampler: Any, errors: Any, pruning: str, words: str) -> None:
        guider = Guider()
        with pytest.raises(errors.ImageError, match=f"All 16 {words}.*VAE.*--fp32-vae"):
            run_sampler(guider=guider, vae=SpoilingVae(above=-1), pruning=pruning)
        assert pruning == "off" or len(guider.asked) == 16 * 3, "no work is wasted on what is lost"

    def test_a_later_round_of_nothing_else_costs_the_first_nothing(self, run_sampler: Any) -> None:
        vae = SpoilingVae(
            above=-1, calls=range(2, 1000)
        )  # the first round is looked at once, and finished once
        result = run_sampler(vae=vae, pruning="gentle", stop_below=1e-9, round_size=8)
        assert result["seeds"] == best_seeds(1, range(8))
        assert set(result.ui["spoilt"]) == set(range(8, 16))

    def test_a_score_that_is_no_number(self, run_sampler: Any, pack: Any) -> None:
        reward = Bright(pack)
        honest = reward._scores
        reward._scores = lambda logits: honest([x if x < 0.9 else torch.nan for x in logits])  # type: ignore[method-assign]
        result = run_sampler(reward=reward)
        assert result["seeds"] == [best_seeds(2)[1]]
        assert result.ui["spoilt"] == best_seeds(1)


def test_a_temporary_folder_that_is_full_costs_the_picture_on_the_node_only(
    pack: Any, bright: Bright, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(_self: Image.Image, path: Path, **_: Any) -> None:
        Path(path).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", full)
    result = pack.run(NODE, images=grey(0.2, 0.8), reward=bright)
    assert result["indices"] == result.ui["indices"] == [1]
    assert result.ui["images"] == []
    assert "cannot be shown on its node" in caplog.text
    assert "disk is full" in caplog.text
