"""Node "Best of N"."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch
from contract_support.nodes import grey, levels_of, record_sheets, warns
from contract_support.pack import Many
from contract_support.rewards import Bright

NODE = "GANRMBestOfN"
LEVELS = (0.2, 0.8, 0.5, 0.9, 0.1, 0.42)
EMPTY_WITHOUT = {"best_latents", "best_masks"}


class TestWhatIsKept:
    def test_a_batch(self, pack: Any, bright: Bright) -> None:
        images = grey(*LEVELS)
        result = pack.run(NODE, images=images, reward=bright, keep=2)
        (best,), (rejected,) = result["best"], result["rejected"]
        assert torch.equal(best, images[[3, 1]])
        assert torch.equal(rejected, images[[2, 5, 0, 4]])
        assert result["indices"] == [3, 1]
        assert result["scores"] == pytest.approx([level / 2 for level in LEVELS])
        assert result["best_scores"] == pytest.approx([0.45, 0.4])
        assert result["summary"] == (
            "6 candidates, 2 kept: 4, 2 · 4, 2, 3 and 6 are too close to call · min 0.05 · median 0.23 · max 0.45"
            " · suggested threshold 0.31 · model brightness"
        )
        ui = result.ui
        assert json.loads(json.dumps(ui, allow_nan=False)) == ui
        assert all(isinstance(value, list) for value in ui.values())
        assert (ui["indices"], ui["ranks"]) == ([3, 1], [5, 2, 3, 1, 6, 4])
        assert ui["best_scores"] == pytest.approx([0.45, 0.4])

    def test_the_best_of_each_group(self, pack: Any, bright: Bright, is_blocked: Any) -> None:
        result = pack.run(NODE, images=grey(*LEVELS, 0.3), reward=bright, group_size=3)
        assert result["indices"] == [1, 3, 6]
        assert result.ui["ranks"] == [3, 1, 2, 1, 3, 2, 1]
        assert levels_of(result["rejected"]) == [[0.5, 0.2, 0.42, 0.1]]
        assert result["summary"].startswith("7 candidates in 3 groups, 3 kept: 2, 4, 7 · ")
        every = pack.run(NODE, images=grey(0.2, 0.8, 0.5), reward=bright, group_size=2, keep=9)
        assert every["indices"] == [1, 0, 2]
        assert is_blocked(every["rejected"])

    @pytest.mark.parametrize(
        ("settings", "kept"),
        [
            ({"keep": 3, "order": "as they came"}, [1, 2, 3]),
            ({"keep": 6, "min_score": 0.25}, [3, 1, 2]),  # of scores, not of logits
            ({"keep": 4, "min_score": 0.9, "min_keep": 2}, [3, 1]),
        ],
    )
    def test_settings(self, pack: Any, bright: Bright, settings: dict[str, Any], kept: list[int]) -> None:
        result = pack.run(NODE, images=grey(*LEVELS), reward=bright, **settings)
        assert result["indices"] == kept
        assert result["best_scores"] == pytest.approx([LEVELS[i] / 2 for i in kept])


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
        self, pack: Any, bright: Bright, monkeypatch: pytest.MonkeyPatch,
        levels: tuple[float, ...], group_size: int, close: list[list[int]], text: str,
    ) -> None:  # fmt: skip
        drawn = record_sheets(pack, monkeypatch)
        result = pack.run(NODE, images=grey(*levels), reward=bright, group_size=group_size)
        assert result.ui["close"] == close
        assert drawn[0][1]["note"] == text
        assert text in result["summary"]
        assert bool(text) == ("close" in result["summary"])

    @pytest.mark.parametrize(("ties", "kept"), [("by score", 2), ("surer first", 1)])
    def test_ties(self, pack: Any, bright: Bright, ties: str, kept: int) -> None:
        bright.uncertainty = lambda logit: 10 * (logit - 0.75).clamp_min(0)  # surer of 0.8 than of 1
        result = pack.run(NODE, images=grey(0.3, 0.8, 1.0), reward=bright, ties=ties)
        assert result["indices"] == [kept]
        assert result.ui["ranks"][kept] == 1
        assert "3 and 2 are too close to call" in result["summary"]

    def test_workflows_made_before_there_was_a_widget_for_ties(self, pack: Any, bright: Bright) -> None:
        clone = pack.node(NODE).PREPARE_CLASS_CLONE(None)
        widgets = {"keep": 1, "group_size": 0, "min_score": 0.0, "min_keep": 0}
        given = {key: [value] for key, value in widgets.items()}
        output = clone.execute(
            images=[grey(0.3, 1.0)], reward=[bright], order=["ranked"], candidate=["each image"], **given
        )
        assert output.args[5] == [1]


class TestLatentsAndMasks:
    def test_they_follow_their_pictures(self, pack: Any, bright: Bright) -> None:
        samples, masks = torch.rand(6, 4, 2, 2), torch.rand(6, 6, 8)
        given = {"latents": {"samples": samples}, "masks": masks}
        result = pack.run(NODE, images=grey(*LEVELS), reward=bright, keep=2, **given)
        (latent,), (mask,) = result["best_latents"], result["best_masks"]
        assert torch.equal(latent["samples"], samples[[3, 1]])
        assert latent["batch_index"] == [3, 1]
        assert torch.equal(mask, masks[[3, 1]])

    @pytest.mark.parametrize("name", ["latents", "masks"])
    def test_counts_are_checked_before_anything_is_scored(
        self, pack: Any, bright: Bright, errors: Any, name: str
    ) -> None:
        given = torch.rand(2, 4, 4)
        given = {name: {"samples": given} if name == "latents" else given}
        with pytest.raises(errors.DataError, match=f"There are 6 images but 2 {name}"):
            pack.run(NODE, images=grey(*LEVELS), reward=bright, **given)
        assert not bright.seen


class TestNothingKept:
    def test_outputs_are_empty_and_summary_and_sheet_say_why(
        self, pack: Any, bright: Bright, is_blocked: Any
    ) -> None:
        latents = {"samples": torch.rand(2, 4, 2, 2)}
        result = pack.run(NODE, images=grey(0.2, 0.8), reward=bright, min_score=0.9, latents=latents)
        empty = {name for name, value in result.outputs.items() if is_blocked(value)}
        assert empty == EMPTY_WITHOUT | {"best", "indices", "best_scores"}
        assert levels_of(result["rejected"]) == [[0.8, 0.2]]
        assert result.ui["indices"] == result.ui["best_scores"] == []
        assert result["summary"].startswith(
            "2 candidates, none kept · None reached the minimum score of 0.90; the best is 0.40. Lower it, make more "
            "candidates, or raise 'keep at least'. · min"
        )
        assert warns(result["preview"])

    def test_of_one_group_is_named(self, pack: Any, bright: Bright, is_blocked: Any) -> None:
        result = pack.run(NODE, images=grey(0.2, 0.3, 0.9, 0.95), reward=bright, group_size=2, min_score=0.4)
        assert "Group 1 kept nothing: none there reached the minimum score of 0.40." in result["summary"]
        assert {name for name, value in result.outputs.items() if is_blocked(value)} == EMPTY_WITHOUT


@pytest.mark.usefixtures("folders")
class TestGivenScores:
    @pytest.mark.parametrize(
        "given",
        [
            [3.0, -1.0, 12.5],
            [[3.0], [-1.0], [12.5]],
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

    @pytest.mark.parametrize(("least", "kept"), [(0.0, [2, 0, 1]), (-0.5, [2, 0]), (-2.0, [2, 0, 1])])
    def test_their_minimum(self, pack: Any, least: float, kept: list[int]) -> None:
        given = Many([3.0, -1.0, 12.5])
        result = pack.run(NODE, images=grey(0.1, 0.2, 0.3), given_scores=given, keep=3, min_score=least)
        assert result["indices"] == kept

    def test_they_are_not_calibrated_and_any_picture_will_do(self, pack: Any) -> None:
        images = torch.full((2, 4, 4, 5), 200.0)
        result = pack.run(NODE, images=images, given_scores=Many([0.5, 0.51]), ties="surer first")
        assert (result["indices"], result.ui["close"]) == ([1], [])
        assert "close" not in result["summary"]
        assert result["best"][0].shape == (1, 4, 4, 5)

    @pytest.mark.parametrize(
        ("given", "message"),
        [
            ([0.5], "3 candidates but 1 scores from elsewhere.*not their average"),
            ([[0.5] * 4], "3 candidates but 4 scores"),
            ([[]], "3 candidates but 0 scores"),
            (
                [float("nan"), float("inf"), float("-inf")],
                "None of the 3 candidates was given a finite score",
            ),
            (["good", 1.0, 2.0], "hold 'good', which is no number"),
            ([[None, 1.0, 2.0]], "hold None, which is no number"),
        ],
    )
    def test_bad_ones(self, pack: Any, errors: Any, given: list[Any], message: str) -> None:
        with pytest.raises(errors.DataError, match=message):
            pack.run(NODE, images=grey(0.1, 0.2, 0.3), given_scores=Many(given))


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"reward": None}, "Nothing to judge by: connect a reward"),
        ({"given_scores": 0.5}, "Both a reward and scores from elsewhere"),
        ({"keep": 1, "min_keep": 2}, r"min_keep is 2; it must lie between 0 and keep \(1\)"),
        ({"group_size": -1}, "group_size is -1"),
        ({"order": "best"}, "no order 'best'"),
        ({"ties": "by luck"}, "no way to break ties called 'by luck'"),
        ({"candidate": "../../evil"}, "no candidate '../../evil'"),
    ],
    ids=str,
)
def test_refused_before_anything_is_scored(
    pack: Any, errors: Any, bright: Bright, inputs: dict[str, Any], message: str
) -> None:
    with pytest.raises(errors.DataError, match=message):
        pack.run(NODE, **{"images": grey(0.1, 0.2), "reward": bright, **inputs})
    assert not bright.seen
