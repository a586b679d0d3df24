"""Best of N."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch
from contract_support.pack import Many
from contract_support.rewards import Bright
from torch import Tensor

WARNING = (255, 138, 101)

NODE = "GANRMBestOfN"
LEVELS = (0.2, 0.8, 0.5, 0.9, 0.1, 0.42)
EMPTY_WITHOUT = {"best_latents", "best_masks"}


def grey(*levels: float, size: tuple[int, int] = (6, 8), channels: int = 3) -> Tensor:
    return torch.stack([torch.full((*size, channels), level) for level in levels])


def levels(images: list[Tensor]) -> list[list[float]]:
    """How bright each picture of each item is."""
    return [[round(float(picture.mean()), 3) for picture in item] for item in images]


@pytest.fixture
def bright(pack: Any, folders: Any) -> Bright:
    return Bright(pack, {"balanced": 0.31})


@pytest.fixture
def data_error(pack: Any) -> Any:
    return pack.module("ganrm_core.utils.errors").DataError


@pytest.fixture
def is_blocked(pack: Any) -> Any:
    blocker = pack.module("nodes.display.empty_outputs").ExecutionBlocker

    def check(value: Any) -> bool:
        return isinstance(value, blocker) and value.message is None

    return check


def test_the_schema(pack: Any) -> None:
    schema = pack.schema(NODE)
    assert (schema.display_name, schema.category) == ("Best of N (GAN-RM)", "GAN-RM")
    assert schema.is_input_list
    assert schema.is_output_node
    assert [(socket.id, bool(socket.optional)) for socket in schema.inputs] == [
        ("images", False),
        ("keep", False),
        ("group_size", False),
        ("min_score", False),
        ("min_keep", False),
        ("order", False),
        ("candidate", False),
        ("reward", True),
        ("latents", True),
        ("masks", True),
        ("given_scores", True),
        ("ties", True),
    ]
    assert [(socket.id, socket.io_type, socket.is_output_list) for socket in schema.outputs] == [
        ("best", "IMAGE", True),
        ("best_latents", "LATENT", True),
        ("best_masks", "MASK", True),
        ("rejected", "IMAGE", True),
        ("scores", "FLOAT", True),
        ("indices", "INT", True),
        ("best_scores", "FLOAT", True),
        ("summary", "STRING", False),
        ("preview", "IMAGE", False),
    ]
    assert all(socket.tooltip for socket in [*schema.inputs, *schema.outputs])
    advanced = [socket.id for socket in schema.inputs if (socket.extra_dict or {}).get("advanced")]
    assert advanced == ["min_keep", "order", "candidate", "ties"]


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

    def test_a_list_of_different_sizes(self, pack: Any, bright: Bright) -> None:
        images = Many([grey(0.2), grey(0.8, 0.5, size=(3, 9)), grey(0.9, size=(5, 5), channels=1)])
        result = pack.run(NODE, images=images, reward=bright, keep=3)
        assert levels(result["best"]) == [[0.9], [0.8], [0.5]]
        assert [tuple(image.shape) for image in result["best"]] == [(1, 5, 5, 1), (1, 3, 9, 3), (1, 3, 9, 3)]
        assert levels(result["rejected"]) == [[0.2]]

    def test_the_best_of_each_group(self, pack: Any, bright: Bright) -> None:
        result = pack.run(NODE, images=grey(*LEVELS, 0.3), reward=bright, group_size=3)
        assert result["indices"] == [1, 3, 6]
        assert result.ui["ranks"] == [3, 1, 2, 1, 3, 2, 1]
        assert levels(result["rejected"]) == [[0.5, 0.2, 0.42, 0.1]]
        assert result["summary"].startswith("7 candidates in 3 groups, 3 kept: 2, 4, 7 · ")

    def test_keeping_more_than_a_group_has(self, pack: Any, bright: Bright, is_blocked: Any) -> None:
        result = pack.run(NODE, images=grey(0.2, 0.8, 0.5), reward=bright, group_size=2, keep=9)
        assert result["indices"] == [1, 0, 2]
        assert is_blocked(result["rejected"])

    def test_as_they_came(self, pack: Any, bright: Bright) -> None:
        result = pack.run(NODE, images=grey(*LEVELS), reward=bright, keep=3, order="as they came")
        assert result["indices"] == [1, 2, 3]
        assert levels(result["best"]) == [[0.8, 0.5, 0.9]]
        assert result["best_scores"] == pytest.approx([0.4, 0.25, 0.45])

    def test_a_minimum_score_speaks_of_scores_not_of_logits(self, pack: Any, bright: Bright) -> None:
        result = pack.run(NODE, images=grey(*LEVELS), reward=bright, keep=6, min_score=0.25)
        assert result["indices"] == [3, 1, 2]

    def test_a_minimum_number_whatever_the_score(self, pack: Any, bright: Bright) -> None:
        result = pack.run(NODE, images=grey(*LEVELS), reward=bright, keep=4, min_score=0.9, min_keep=2)
        assert result["indices"] == [3, 1]

    def test_one_picture_passes_through(self, pack: Any, bright: Bright, is_blocked: Any) -> None:
        images = grey(0.4)
        result = pack.run(NODE, images=images, reward=bright)
        assert torch.equal(result["best"][0], images)
        assert is_blocked(result["rejected"])
        assert result["summary"].startswith("1 candidate, 1 kept: 1 · ")

    def test_clips(self, pack: Any, bright: Bright) -> None:
        clips = Many([grey(0.9, 0.1), grey(0.6, 0.6, 0.6), grey(0.2)])
        result = pack.run(NODE, images=clips, reward=bright, candidate="each list item")
        assert len(result["best"]) == 1
        assert torch.equal(result["best"][0], clips[1])
        assert levels(result["rejected"]) == [[0.9, 0.1], [0.2]]
        assert result["indices"] == [1]

    def test_equal_scores_keep_their_order(self, pack: Any, bright: Bright) -> None:
        assert pack.run(NODE, images=grey(0.5, 0.5, 0.5), reward=bright, keep=2)["indices"] == [0, 1]


class TestTooCloseToCall:
    def test_the_winner_and_its_rivals(self, pack: Any, bright: Bright) -> None:
        result = pack.run(NODE, images=grey(0.3, 0.8, 1.0, 0.4), reward=bright)
        assert result["indices"] == [2]
        assert "1 kept: 3 · 3 and 2 are too close to call · min 0.15" in result["summary"]
        assert result.ui["close"] == [[2, 1]]

    def test_a_clear_winner(self, pack: Any, bright: Bright) -> None:
        result = pack.run(NODE, images=grey(0.3, 0.4, 1.0), reward=bright)
        assert "close" not in result["summary"]
        assert result.ui["close"] == [[]]

    def test_of_several_groups(self, pack: Any, bright: Bright) -> None:
        result = pack.run(NODE, images=grey(0.3, 1.0, 0.8, 1.0), reward=bright, group_size=2)
        assert "group 2: 4 and 3 are too close to call" in result["summary"]
        assert result.ui["close"] == [[], [3, 2]]

    def test_the_sheet_says_so_too(self, pack: Any, bright: Bright, monkeypatch: pytest.MonkeyPatch) -> None:
        module, notes = pack.module("nodes.display.ranked_sheets"), []
        draw = module.ranked_sheet
        monkeypatch.setattr(
            module, "ranked_sheet", lambda *a, **more: [notes.append(more["note"]), draw(*a, **more)][1]
        )
        pack.run(NODE, images=grey(0.8, 1.0), reward=bright)
        pack.run(NODE, images=grey(0.2, 1.0), reward=bright)
        assert notes == ["2 and 1 are too close to call", ""]

    @pytest.mark.parametrize(("ties", "kept"), [("by score", 2), ("surer first", 1)])
    def test_what_decides(self, pack: Any, bright: Bright, ties: str, kept: int) -> None:
        bright.uncertainty = lambda logit: 10 * (logit - 0.75).clamp_min(0)  # surer of 0.8 than of 1
        images = grey(0.3, 0.8, 1.0)
        result = pack.run(NODE, images=images, reward=bright, ties=ties)
        assert result["indices"] == [kept]
        assert result.ui["ranks"][kept] == 1
        assert "3 and 2 are too close to call" in result["summary"]

    def test_workflows_that_know_nothing_of_it(self, pack: Any, bright: Bright) -> None:
        clone = pack.node(NODE).PREPARE_CLASS_CLONE(None)
        widgets = {"keep": 1, "group_size": 0, "min_score": 0.0, "min_keep": 0}
        given = {key: [value] for key, value in widgets.items()}
        output = clone.execute(
            images=[grey(0.3, 1.0)], reward=[bright], order=["ranked"], candidate=["each image"], **given
        )
        assert output.args[5] == [1]

    @pytest.mark.usefixtures("folders")
    def test_scores_from_elsewhere_are_no_chances(self, pack: Any) -> None:
        given = Many([0.5, 0.51])
        result = pack.run(NODE, images=grey(0.1, 0.2), given_scores=given, ties="surer first")
        assert (result["indices"], result.ui["close"]) == ([1], [])
        assert "close" not in result["summary"]


class TestWhatFollows:
    def test_latents_and_masks(self, pack: Any, bright: Bright) -> None:
        samples, masks = torch.rand(6, 4, 2, 2), torch.rand(6, 6, 8)
        result = pack.run(
            NODE, images=grey(*LEVELS), reward=bright, keep=2, latents={"samples": samples}, masks=masks
        )
        (latent,), (mask,) = result["best_latents"], result["best_masks"]
        assert torch.equal(latent["samples"], samples[[3, 1]])
        assert latent["batch_index"] == [3, 1]
        assert torch.equal(mask, masks[[3, 1]])

    def test_each_follows_its_own_container(self, pack: Any, bright: Bright) -> None:
        masks = Many([torch.rand(1, 6, 8) for _ in range(2)])
        result = pack.run(NODE, images=grey(0.2, 0.8), reward=bright, keep=2, masks=masks)
        assert levels(result["best"]) == [[0.8, 0.2]]
        assert [torch.equal(*pair) for pair in zip(result["best_masks"], masks[::-1], strict=True)] == [
            True
        ] * 2

    @pytest.mark.parametrize("name", ["latents", "masks"])
    def test_counts_are_checked_before_anything_is_scored(
        self, pack: Any, bright: Bright, data_error: Any, name: str
    ) -> None:
        given = torch.rand(2, 4, 4)
        with pytest.raises(data_error, match=f"There are 6 images but 2 {name}"):
            pack.run(
                NODE,
                images=grey(*LEVELS),
                reward=bright,
                **{name: {"samples": given} if name == "latents" else given},
            )
        assert not bright.seen


class TestNothing:
    def test_what_was_not_given_is_empty(self, pack: Any, bright: Bright, is_blocked: Any) -> None:
        result = pack.run(NODE, images=grey(*LEVELS), reward=bright)
        assert {name for name, value in result.outputs.items() if is_blocked(value)} == EMPTY_WITHOUT

    def test_nothing_reached_the_minimum(self, pack: Any, bright: Bright, is_blocked: Any) -> None:
        result = pack.run(
            NODE,
            images=grey(0.2, 0.8),
            reward=bright,
            min_score=0.9,
            latents={"samples": torch.rand(2, 4, 2, 2)},
        )
        empty = {name for name, value in result.outputs.items() if is_blocked(value)}
        assert empty == EMPTY_WITHOUT | {"best", "indices", "best_scores"}
        assert levels(result["rejected"]) == [[0.8, 0.2]]
        assert result.ui["indices"] == result.ui["best_scores"] == []
        assert result["summary"].startswith(
            "2 candidates, none kept · None reached the minimum score of 0.90; the best is 0.40. Lower it, make more "
            "candidates, or raise 'keep at least'. · min"
        )
        warned = (result["preview"][0] * 255).round().int() == torch.tensor(WARNING)
        assert warned.all(dim=-1).sum() > 1000, "the sheet itself says so"

    def test_a_group_of_which_nothing_is_kept_is_named(self, pack: Any, bright: Bright) -> None:
        result = pack.run(NODE, images=grey(0.2, 0.3, 0.9, 0.95), reward=bright, group_size=2, min_score=0.4)
        assert "Group 1 kept nothing: none there reached the minimum score of 0.40." in result["summary"]

    def test_a_list_keeps_its_kind_when_one_is_kept(self, pack: Any, bright: Bright) -> None:
        result = pack.run(NODE, images=Many([grey(0.2), grey(0.8)]), reward=bright)
        assert levels(result["best"]) == [[0.8]]


class TestGivenScores:
    @pytest.mark.parametrize(
        "given",
        [
            [3.0, -1.0, 12.5],
            [[3.0, -1.0, 12.5]],
            [[3.0], [-1.0], [12.5]],
            [torch.tensor([3.0, -1.0, 12.5])],
            [torch.tensor([[3.0], [-1.0], [12.5]])],
            [torch.tensor(3.0), torch.tensor([-1.0]), np.float32(12.5)],
            [np.array([3.0, -1.0, 12.5])],
            [(3, -1), 12.5],
        ],
        ids=str,
    )
    def test_of_any_shape(self, pack: Any, folders: Any, given: list[Any]) -> None:
        result = pack.run(NODE, images=grey(0.1, 0.2, 0.3), given_scores=Many(given), keep=2)
        assert result["indices"] == [2, 0]
        assert result["scores"] == [3.0, -1.0, 12.5]
        assert result["best_scores"] == [12.5, 3.0]
        assert result["summary"] == "3 candidates, 2 kept: 3, 1 · min −1 · median 3 · max 12.5"

    @pytest.mark.usefixtures("folders")
    @pytest.mark.parametrize(("least", "kept"), [(0.0, [2, 0, 1]), (-0.5, [2, 0]), (-2.0, [2, 0, 1])])
    def test_their_minimum(self, pack: Any, least: float, kept: list[int]) -> None:
        given = Many([3.0, -1.0, 12.5])
        result = pack.run(NODE, images=grey(0.1, 0.2, 0.3), given_scores=given, keep=3, min_score=least)
        assert result["indices"] == kept

    @pytest.mark.usefixtures("folders")
    def test_pictures_no_reward_could_read(self, pack: Any) -> None:
        images = torch.full((2, 4, 4, 5), 200.0)
        result = pack.run(NODE, images=images, given_scores=Many([1.0, 2.0]))
        assert result["best"][0].shape == (1, 4, 4, 5)

    @pytest.mark.usefixtures("folders")
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
    def test_bad_ones(self, pack: Any, data_error: Any, given: list[Any], message: str) -> None:
        with pytest.raises(data_error, match=message):
            pack.run(NODE, images=grey(0.1, 0.2, 0.3), given_scores=Many(given))


class TestRefused:
    def test_nothing_to_judge_by(self, pack: Any, data_error: Any) -> None:
        with pytest.raises(data_error, match="Nothing to judge by: connect a reward"):
            pack.run(NODE, images=grey(0.1))

    def test_two_judges(self, pack: Any, data_error: Any, bright: Bright) -> None:
        with pytest.raises(data_error, match="Both a reward and scores from elsewhere"):
            pack.run(NODE, images=grey(0.1), reward=bright, given_scores=0.5)

    @pytest.mark.parametrize(
        ("inputs", "message"),
        [
            ({"keep": 1, "min_keep": 2}, r"min_keep is 2; it must lie between 0 and keep \(1\)"),
            ({"keep": 0}, "keep is 0"),
            ({"group_size": -1}, "group_size is -1"),
            ({"min_score": float("nan")}, "min_score is not a number"),
            ({"order": "best"}, "no order 'best'"),
            ({"ties": "by luck"}, "no way to break ties called 'by luck'"),
            ({"candidate": "../../evil"}, "no candidate '../../evil'"),
        ],
        ids=str,
    )
    def test_before_anything_is_scored(
        self, pack: Any, data_error: Any, bright: Bright, inputs: dict[str, Any], message: str
    ) -> None:
        with pytest.raises(data_error, match=message):
            pack.run(NODE, images=grey(0.1, 0.2), reward=bright, **inputs)
        assert not bright.seen


def test_the_figures_for_those_who_use_the_api(pack: Any, bright: Bright) -> None:
    ui = pack.run(NODE, images=grey(*LEVELS), reward=bright, keep=2).ui
    assert all(isinstance(value, list) for value in ui.values())
    assert json.loads(json.dumps(ui, allow_nan=False)) == ui
    assert ui["indices"] == [3, 1]
    assert ui["ranks"] == [5, 2, 3, 1, 6, 4]
    assert ui["best_scores"] == pytest.approx([0.45, 0.4])


def test_pictures_stay_as_they_are_and_many_fit_on_the_sheet(pack: Any, bright: Bright) -> None:
    images = torch.rand(70, 40, 20, 3)
    before = images.clone()
    result = pack.run(NODE, images=images, reward=bright, keep=3)
    assert torch.equal(images, before)
    assert torch.equal(result["best"][0], before[result["indices"]])
    assert len(result["rejected"][0]) == 67
    assert result["preview"].shape[0] == 1
