"""Combine GAN-RMs."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from contract_support.rewards import Bright
from torch import Tensor

NODE = "GANRMEnsemble"


@pytest.fixture
def pair(pack: Any, trained: Any) -> list[Any]:
    """Two tastes loaded one after the other, as two Load GAN-RM nodes do: backbones of equal weights."""
    managed = pack.module("nodes.host.model_management").ManagedReward
    model = trained.model
    other = type(model)(
        pack.module("ganrm_core.backbones.registry").load_backbone("efficientnet_lite0"),
        pack.module("ganrm_core.rewards.discriminator.model_parts").CalibratedHead(
            model.reader.readout,
            model.layer,
            pack.module("ganrm_core.metrics.calibration").Calibration(2.0, -0.5),
        ),
        card=model.card,
        name="other",
    )
    return [trained, managed(other)]


@pytest.fixture
def combined_type(pack: Any) -> Any:
    return pack.module("ganrm_core.rewards.combined").CombinedReward


@pytest.fixture
def pictures() -> Tensor:
    return torch.rand(6, 40, 30, 3, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch, pack: Any, pair: list[Any]) -> list[tuple[str, int]]:
    """Every ("bring" or "run", which of the pair's backbones)."""
    seen: list[tuple[str, int]] = []
    for number, reward in enumerate(pair):
        features, bring = reward.model.backbone.features, reward.managed_backbone.load

        def run(pixels: Tensor, last: str, number: int = number, features: Any = features) -> Any:
            seen.append(("run", number))
            return features(pixels, last)

        def brought(count: int = 1, number: int = number, bring: Any = bring) -> None:
            seen.append(("bring", number))
            bring(count)

        monkeypatch.setattr(reward.model.backbone, "features", run)
        monkeypatch.setattr(reward.managed_backbone, "load", brought)
    return seen


def test_the_schema(pack: Any) -> None:
    schema = pack.schema(NODE)
    assert (schema.display_name, schema.category) == ("Combine GAN-RMs", "GAN-RM")
    assert [(socket.id, bool(socket.optional)) for socket in schema.inputs] == [
        ("reward_1", False),
        ("reward_2", False),
        ("weight_1", False),
        ("weight_2", False),
        ("name", False),
        ("reward_3", True),
        ("weight_3", True),
        ("reward_4", True),
        ("weight_4", True),
    ]
    weights = [socket for socket in schema.inputs if socket.id.startswith("weight")]
    assert {(w.default, w.min, w.max) for w in weights} == {(1.0, -10.0, 10.0)}
    assert [(socket.id, socket.io_type) for socket in schema.outputs] == [
        ("reward", "GANRM_REWARD"),
        ("summary", "STRING"),
    ]
    assert all(socket.tooltip for socket in [*schema.inputs, *schema.outputs])


def test_the_weighted_mean_of_log_odds(pack: Any, pair: list[Any], pictures: Tensor) -> None:
    reward = pack.run(NODE, reward_1=pair[0], reward_2=pair[1], weight_2=-0.5)["reward"]
    odds = []
    for managed in pair:
        calibration = managed.model.calibration
        odds.append(managed.score(pictures).logit / calibration.temperature + calibration.bias)
    torch.testing.assert_close(
        reward.score(pictures).logit, (odds[0] - 0.5 * odds[1]) / 1.5, atol=1e-3, rtol=1e-3
    )


def test_one_backbone_runs_for_both_and_the_other_stays_away(
    pack: Any, pair: list[Any], pictures: Tensor, calls: list[tuple[str, int]], taste: Any
) -> None:
    reward = pack.run(NODE, reward_1=pair[0], reward_2=pair[1])["reward"]
    assert calls == []  # nothing is brought before it is needed
    reward.score(pictures)
    assert set(calls) == {("bring", 0), ("run", 0)}
    assert calls.count(("bring", 0)) == 1
    calls.clear()
    assert len(list(reward.score_files(sorted(taste.liked.iterdir())[:3], []))) == 3
    assert set(calls) == {("bring", 0), ("run", 0)}


def test_each_that_shares_nothing_is_brought_by_itself(
    pack: Any, pair: list[Any], pictures: Tensor, calls: list[tuple[str, int]]
) -> None:
    pair[1].model.border_trim = pack.module("ganrm_core.data.border_trim").BorderTrim(trim=0.1)
    pack.run(NODE, reward_1=pair[0], reward_2=pair[1])["reward"].score(pictures)
    assert list(dict.fromkeys(calls)) == [("bring", 0), ("run", 0), ("bring", 1), ("run", 1)]


def test_four_and_combinations_of_them(
    pack: Any, pair: list[Any], folders: Any, pictures: Tensor, calls: list[tuple[str, int]]
) -> None:
    bright = Bright(pack)
    inner = pack.run(NODE, reward_1=pair[1], reward_2=bright, name="inner")
    result = pack.run(
        NODE,
        reward_1=pair[0],
        reward_2=pair[0],
        reward_3=inner["reward"],
        weight_3=-2,
        reward_4=bright,
        weight_4=0,
    )
    reward = result["reward"]
    assert reward.rewards == (pair[0], pair[0], pair[1], bright)
    assert reward.shares == (0.25, 0.25, -0.25, -0.25)
    assert reward.name == "my_taste + my_taste − 2 (inner)"
    reward.score([picture.unsqueeze(0) for picture in pictures])
    assert set(calls) == {("bring", 0), ("run", 0)}


def test_the_summary(pack: Any, pair: list[Any]) -> None:
    result = pack.run(NODE, reward_1=pair[0], reward_2=pair[1], weight_1=3, weight_2=-1, name=" clean ")
    lines = result["summary"].splitlines()
    assert lines[:3] == ["clean", "75% my_taste", "25% less of other"]
    assert lines[3].startswith("Keep pictures from a score of")
    assert lines[3].endswith("not measured.")
    assert lines[4] == "2 of them share a backbone, which looks at each picture once."
    assert result.ui["text"] == [result["summary"]]
    assert result["reward"].name == "clean"


def test_rewards_of_other_kinds(pack: Any, folders: Any) -> None:
    result = pack.run(NODE, reward_1=Bright(pack), reward_2=Bright(pack, {"balanced": 0.31}), weight_2=2.5)
    assert result["summary"].splitlines() == [
        "brightness + 2.5 brightness",
        "29% brightness",
        "71% brightness",
    ]
    grey = torch.stack([torch.full((4, 4, 3), level) for level in (0.4, 1.0)])
    best = pack.run("GANRMBestOfN", images=grey, reward=result["reward"])
    assert best["indices"] == [1]
    assert best["scores"] == pytest.approx([0.2, 0.5])
    assert "model brightness + 2.5 brightness" in best["summary"]


def test_weights_that_leave_nothing(pack: Any, folders: Any) -> None:
    with pytest.raises(pack.module("ganrm_core.utils.errors").DataError, match="weight other than 0"):
        pack.run(NODE, reward_1=Bright(pack), reward_2=Bright(pack), weight_1=0, weight_2=0)


def test_it_is_not_saved(pack: Any, folders: Any, pair: list[Any]) -> None:
    reward = pack.run(NODE, reward_1=pair[0], reward_2=pair[1])["reward"]
    with pytest.raises(pack.module("ganrm_core.utils.errors").OutputError, match="kept in the workflow"):
        pack.run("GANRMSaveModel", reward=reward, name="both")


def test_a_cancel_passes_through(pack: Any, pair: list[Any], pictures: Tensor) -> None:
    class Cancelled(BaseException):
        pass

    def cancel(step: Any) -> None:
        if step.done:
            raise Cancelled

    reward = pack.run(NODE, reward_1=pair[0], reward_2=pair[1])["reward"]
    with pytest.raises(Cancelled):
        reward.score(pictures, progress=cancel)
