"""Node "Best of N"."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch
from contract_support.nodes import grey, record_sheets, warns
from contract_support.pack import Many
from contract_support.rewards import Bright

NODE = "GANRMBestOfN"
LEVELS = (0.2, 0.8, 0.5, 0.9, 0.1, 0.42)


class TestWhatIsKept:
    def test_a_batch_with_latents_and_masks(self, pack: Any, bright: Bright) -> None:
        images, samples, masks = grey(*LEVELS), torch.rand(6, 4, 2, 2), torch.rand(6, 6, 8)
        given = {"latents": {"samples": samples}, "masks": masks}
        result = pack.run(NODE, images=images, reward=bright, keep=2, **given)
        (best,), (rejected,) = result["best"], result["rejected"]
        assert torch.equal(best, images[[3, 1]])
        assert torch.equal(rejected, images[[2, 5, 0, 4]])
        (latent,), (mask,) = result["best_latents"], result["best_masks"]
        assert torch.equal(latent["samples"], samples[[3, 1]])
        assert latent["batch_index"] == [3, 1]
        assert torch.equal(mask, masks[[3, 1]])
        assert result["indices"] == [3, 1]
        assert result["scores"] == pytest.approx([level / 2 for level in LEVELS])
        assert result["best_scores"] == pytest.approx([0.45, 0.4])
        assert result["summary"] == (
            "6 candidates, 2 kept: 4, 2 · 4, 2, 3 and 6 are too close to call · min 0.05 · median 0.23 · max 0.45"
            " · suggested threshold 0.31 · model brightness"
        )
        assert json.loads(json.dumps(result.ui, allow_nan=False)) == result.ui
        assert all(isinstance(value, list) for value in result.ui.values())
        assert (result.ui["indices"], result.ui["ranks"]) == ([3, 1], [5, 2, 3, 1, 6, 4])

    def test_the_best_of_each_group(self, pack: Any, bright: Bright, is_blocked: Any) -> None:
        result = pack.run(NODE, images=grey(*LEVELS, 0.3), reward=bright, group_size=3)
        assert result["indices"] == [1, 3, 6]
        assert result.ui["ranks"] == [3, 1, 2, 1, 3, 2, 1]
        assert torch.equal(result["rejected"][0], grey(0.5, 0.2, 0.42, 0.1))
        assert result["summary"].startswith("7 candidates in 3 groups, 3 kept: 2, 4, 7 · ")
        every = pack.run(NODE, images=grey(0.2, 0.8, 0.5), reward=bright, group_size=2, keep=9)
        assert every["indices"] == [1, 0, 2]
        assert is_blocked(every["rejected"])

    def test_settings(self, pack: Any, bright: Bright) -> None:
        for kept, settings in (
            ([1, 2, 3], {"keep": 3, "order": "as they came"}),
            ([3, 1, 2], {"keep": 6, "min_score": 0.25}),  # of scores, not of logits
            ([3, 1], {"keep": 4, "min_score": 0.9, "min_keep": 2}),
        ):
            result = pack.run(NODE, images=grey(*LEVELS), reward=bright, **settings)
            assert result["indices"] == kept
            assert result["best_scores"] == pytest.approx([LEVELS[i] / 2 for i in kept])

    def test_what_is_picked_by_hand_is_kept_instead(
        self, pack: Any, bright: Bright, monkeypatch: Any, is_blocked: Any, errors: Any
    ) -> None:
        drawn = record_sheets(pack, monkeypatch)
        given = {"images": grey(*LEVELS), "reward": bright, "keep": 1, "min_score": 0.9}
        result = pack.run(NODE, **given, pick="5 1-2", latents={"samples": torch.rand(6, 4, 2, 2)})
        assert result["indices"] == [1, 0, 4]
        assert result["best_latents"][0]["batch_index"] == [1, 0, 4]
        assert torch.equal(result["rejected"][0], given["images"][[3, 2, 5]])
        assert result["summary"].startswith("6 candidates, 3 kept: 2, 1, 5 · picked by hand · min 0.05 · ")
        entries, options = drawn[0]
        assert options["note"] == "picked by hand"
        assert [entry.number for entry in entries if entry.kept] == [1, 2, 5]
        assert (result.ui["candidates"], len(result.ui["tiles"])) == ([6], 6)
        assert pack.run(NODE, **given, pick="5 1-2", order="as they came")["indices"] == [0, 1, 4]
        assert is_blocked(pack.run(NODE, **given, pick=" ")["best"]), "the score decides again"
        with pytest.raises(errors.DataError, match='There is no image "7" to pick: there are 6 images'):
            pack.run(NODE, **given, pick="7")


class TestCloseCalls:
    @pytest.mark.parametrize(
        ("levels", "group_size", "close", "text"),
        [
            ((0.3, 0.8, 1.0, 0.4), 0, [[2, 1]], "3 and 2 are too close to call"),
            ((0.3, 0.4, 1.0), 0, [[]], ""),
            ((0.3, 1.0, 0.8, 1.0), 2, [[], [3, 2]], "group 2: 4 and 3 are too close to call"),
        ],
    )
    def test_in_the_summary_and_on_the_sheet(
        self, pack: Any, bright: Bright, monkeypatch: Any, levels: Any, group_size: int, close: Any, text: str
    ) -> None:
        drawn = record_sheets(pack, monkeypatch)
        result = pack.run(NODE, images=grey(*levels), reward=bright, group_size=group_size)
        assert result.ui["close"] == close
        assert drawn[0][1]["note"] == text
        assert text in result["summary"]
        assert bool(text) == ("close" in result["summary"])

    def test_ties(self, pack: Any, bright: Bright) -> None:
        bright.uncertainty = lambda logit: 10 * (logit - 0.75).clamp_min(0)  # surer of 0.8 than of 1
        for ties, kept in (("by score", 2), ("surer first", 1)):
            result = pack.run(NODE, images=grey(0.3, 0.8, 1.0), reward=bright, ties=ties)
            assert result["indices"] == [kept]
            assert result.ui["ranks"][kept] == 1
            assert "3 and 2 are too close to call" in result["summary"]

    def test_workflows_made_before_there_was_a_widget_for_ties(self, pack: Any, bright: Bright) -> None:
        widgets = {"keep": 1, "group_size": 0, "min_score": 0.0, "min_keep": 0, "order": "ranked"}
        given = {**widgets, "images": grey(0.3, 1.0), "reward": bright, "candidate": "each image"}
        node = pack.node(NODE).PREPARE_CLASS_CLONE(None)
        assert node.execute(**{key: [value] for key, value in given.items()}).args[5] == [1]


def test_where_nothing_is_kept_outputs_are_empty_and_summary_and_sheet_say_why(
    pack: Any, bright: Bright, is_blocked: Any
) -> None:
    def run(*levels: float, **inputs: Any) -> tuple[Any, set[str]]:
        result = pack.run(NODE, images=grey(*levels), reward=bright, **inputs)
        return result, {name for name, value in result.outputs.items() if is_blocked(value)}

    result, empty = run(0.2, 0.8, min_score=0.9, latents={"samples": torch.rand(2, 4, 2, 2)})
    assert empty == {"best_latents", "best_masks", "best", "indices", "best_scores"}
    assert torch.equal(result["rejected"][0], grey(0.8, 0.2))
    assert result.ui["indices"] == result.ui["best_scores"] == []
    assert result["summary"].startswith(
        "2 candidates, none kept · None reached the minimum score of 0.90; the best is 0.40. Lower it, make more "
        "candidates, or raise 'keep at least'. · min"
    )
    assert warns(result["preview"])
    result, empty = run(0.2, 0.3, 0.9, 0.95, group_size=2, min_score=0.4)
    assert "Group 1 kept nothing: none there reached the minimum score of 0.40." in result["summary"]
    assert empty == {"best_latents", "best_masks"}


@pytest.mark.usefixtures("folders")
class TestGivenScores:
    @pytest.mark.parametrize(
        "given",
        [
            [3.0, -1.0, 12.5],
            [torch.tensor([[3.0], [-1.0], [12.5]])],
            [torch.tensor(3.0), torch.tensor([-1.0]), np.float32(12.5)],
            [np.array([3.0, -1.0, 12.5])],
            [(3, -1), 12.5],
        ],
        ids=str,
    )
    def test_of_any_shape(self, pack: Any, given: list[Any]) -> None:
        result = pack.run(NODE, images=grey(0.1, 0.2, 0.3), given_scores=Many(given), keep=2)
        assert result["indices"] == [2, 0]
        assert result["scores"] == [3.0, -1.0, 12.5]
        assert result["best_scores"] == [12.5, 3.0]
        assert result["summary"] == "3 candidates, 2 kept: 3, 1 · min −1 · median 3 · max 12.5"

    def test_they_are_not_calibrated_and_any_picture_will_do(self, pack: Any) -> None:
        def run(scores: list[float], **inputs: Any) -> Any:
            images = torch.full((len(scores), 4, 4, 5), 200.0)
            return pack.run(NODE, images=images, given_scores=Many(scores), **inputs)

        for least, kept in ((0.0, [2, 0, 1]), (-0.5, [2, 0]), (-2.0, [2, 0, 1])):
            assert run([3.0, -1.0, 12.5], keep=3, min_score=least)["indices"] == kept
        result = run([0.5, 0.51], ties="surer first")
        assert (result["indices"], result.ui["close"]) == ([1], [])
        assert "close" not in result["summary"]
        assert result["best"][0].shape == (1, 4, 4, 5)

    @pytest.mark.parametrize(
        ("given", "message"),
        [
            ([0.5], "3 candidates but 1 scores from elsewhere.*not their average"),
            ([[]], "3 candidates but 0 scores"),
            ([float("nan")] * 3, "None of the 3 candidates was given a finite score"),
            (["good", 1.0, 2.0], "hold 'good', which is no number"),
        ],
    )
    def test_bad_ones(self, pack: Any, errors: Any, given: list[Any], message: str) -> None:
        with pytest.raises(errors.DataError, match=message):
            pack.run(NODE, images=grey(0.1, 0.2, 0.3), given_scores=Many(given))
