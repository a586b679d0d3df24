"""Node "Combine GAN-RMs"."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from contract_support.nodes import grey
from contract_support.pack import Many
from contract_support.rewards import AsAsked, Bright
from torch import Tensor

NODE = "GANRMEnsemble"


@pytest.fixture
def pair(pack: Any, trained: Any) -> list[Any]:
    """Two rewards as two Load GAN-RM nodes give them: their backbones have equal weights."""
    model = trained.model
    backbone = pack.module("ganrm_core.backbones.registry").load_backbone("efficientnet_lite0")
    calibration = pack.module("ganrm_core.metrics.calibration").Calibration(2.0, -0.5)
    parts = pack.module("ganrm_core.rewards.discriminator.model_parts")
    head = parts.CalibratedHead(model.reader.readout, model.layer, calibration)
    other = type(model)(backbone, head, card=model.card, name="other")
    return [trained, pack.module("nodes.host.model_management").ManagedReward(other)]


@pytest.fixture
def pictures() -> Tensor:
    return torch.rand(3, 40, 30, 3, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch, pair: list[Any]) -> list[tuple[str, int]]:
    """Every ("load" or "run", which of the pair's backbones)."""
    seen: list[tuple[str, int]] = []

    def record(owner: Any, method: str, what: tuple[str, int]) -> None:
        original = getattr(owner, method)

        def recorded(*arguments: Any, **named: Any) -> Any:
            seen.append(what)
            return original(*arguments, **named)

        monkeypatch.setattr(owner, method, recorded)

    for number, reward in enumerate(pair):
        record(reward.model.backbone, "features", ("run", number))
        record(reward.managed_backbone, "load", ("load", number))
    return seen


def test_one_backbone_runs_for_both(
    pack: Any, pair: list[Any], pictures: Tensor, calls: list[tuple[str, int]], taste: Any
) -> None:
    calibrations = [managed.model.calibration for managed in pair]
    first, second = (
        managed.score(pictures).logit / calibration.temperature + calibration.bias
        for managed, calibration in zip(pair, calibrations, strict=True)
    )
    calls.clear()
    combined = pack.run(NODE, reward_1=pair[0], reward_2=pair[1], weight_2=-0.5)["reward"]
    assert calls == []  # nothing is loaded before it is needed
    expected = (first - 0.5 * second) / 1.5
    torch.testing.assert_close(combined.score(pictures).logit, expected, atol=1e-3, rtol=1e-3)
    assert set(calls) == {("load", 0), ("run", 0)}
    assert calls.count(("load", 0)) == 1
    calls.clear()
    assert len(list(combined.score_files(sorted(taste.liked.iterdir())[:3], []))) == 3
    assert set(calls) == {("load", 0), ("run", 0)}
    calls.clear()
    pair[1].model.border_trim = pack.module("ganrm_core.data.border_trim").BorderTrim(trim=0.1)
    pack.run(NODE, reward_1=pair[0], reward_2=pair[1])["reward"].score(pictures)
    assert list(dict.fromkeys(calls)) == [("load", 0), ("run", 0), ("load", 1), ("run", 1)], "one by one"


def test_four_rewards_and_combinations_of_them(
    pack: Any, pair: list[Any], bright: Bright, pictures: Tensor, calls: list[tuple[str, int]]
) -> None:
    inner = pack.run(NODE, reward_1=pair[1], reward_2=bright, name="inner")
    four = {"reward_1": pair[0], "reward_2": pair[0], "reward_3": inner["reward"], "reward_4": bright}
    reward = pack.run(NODE, **four, weight_3=-2, weight_4=0)["reward"]
    assert reward.rewards == (pair[0], pair[0], pair[1], bright)
    assert reward.shares == (0.25, 0.25, -0.25, -0.25)
    assert reward.name == "my_taste + my_taste − 2 (inner)"
    reward.score([picture.unsqueeze(0) for picture in pictures])
    assert set(calls) == {("load", 0), ("run", 0)}


def test_the_summary_and_what_is_refused(pack: Any, pair: list[Any], errors: Any) -> None:
    result = pack.run(NODE, reward_1=pair[0], reward_2=pair[1], weight_1=3, weight_2=-1, name=" clean ")
    lines = result["summary"].splitlines()
    assert lines[:3] == ["clean", "75% my_taste", "25% less of other"]
    assert lines[3].startswith("Keep pictures from a score of")
    assert lines[3].endswith("not measured.")
    assert lines[4] == "2 of them share a backbone, which looks at each picture once."
    assert result.ui["text"] == [result["summary"]]
    assert result["reward"].name == "clean"
    with pytest.raises(errors.OutputError, match="kept in the workflow"):
        pack.run("GANRMSaveModel", reward=result["reward"], name="both")
    with pytest.raises(errors.DataError, match="weight other than 0"):
        pack.run(NODE, reward_1=pair[0], reward_2=pair[1], weight_1=0, weight_2=0)


class TestMeasured:
    """On connected pictures."""

    @pytest.fixture
    def given(self, pack: Any, folders: Any) -> dict[str, Any]:
        return {"reward_1": _BrightAnyPrompt(pack), "reward_2": AsAsked(pack), "weight_2": 0.5}

    def test_on_a_batch_or_a_list(self, pack: Any, given: dict[str, Any]) -> None:
        levels = (0.1, 0.3, 0.4, 0.9, 0.2)
        batch, single = grey(*levels), [grey(level, size=(8, 5)) for level in levels]
        result = pack.run(NODE, **given, pictures=batch, prompts="a bright day")
        reward = result["reward"]
        listed = pack.run(NODE, **given, pictures=Many(single), prompts=Many(["a bright day"]))["reward"]
        for ours, theirs in zip(reward.standards, listed.standards, strict=True):
            assert (ours.centre, ours.spread) == pytest.approx((theirs.centre, theirs.spread), abs=1e-5)
        assert torch.equal(
            reward.score(batch, ["bright"] * 5).logit[:1], reward.score(batch[:1], ["bright"]).logit
        )
        lines = result["summary"].splitlines()
        assert lines[:3] == ["brightness + 0.5 as asked", "67% brightness", "33% as asked"]
        assert "Measured on 5 pictures" in lines[-3]
        assert "within this batch" in lines[-2]
        assert lines[-1].startswith("5 pictures are a rough measure")

    def test_spoilt_pictures_do_not_count(self, pack: Any, given: dict[str, Any]) -> None:
        pictures = grey(*[number / 20 for number in range(18)])
        spoilt = torch.cat([pictures, torch.full_like(pictures[:1], float("nan"))])
        first, second = (
            pack.run(NODE, **given, pictures=each, prompts="a bright day") for each in (pictures, spoilt)
        )
        assert first["reward"].standards == second["reward"].standards
        assert "rough" not in first["summary"]

    def test_on_a_folder_by_the_prompts_of_its_files_or_given_ones(
        self, pack: Any, given: dict[str, Any], taste: Any, errors: Any
    ) -> None:
        files = pack.module("ganrm_core.data.labelled_files").PictureSet(
            tuple(sorted(taste.liked.iterdir())), "liked"
        )
        result = pack.run(NODE, **given, pictures=files, prompts="a bright day")
        assert f"Measured on {len(files)} pictures" in result["summary"]
        with pytest.raises(errors.DataError, match="as asked needs one for each"):
            pack.run(NODE, **given, pictures=files)

    def test_what_is_refused(self, pack: Any, given: dict[str, Any], errors: Any) -> None:
        with pytest.raises(
            errors.DataError, match="as asked judges pictures by their prompt, and none is connected"
        ):
            pack.run(NODE, **given, pictures=grey(0.1, 0.2, 0.3, 0.4))
        with pytest.raises(errors.DataError, match="4 pictures or more"):
            pack.run(NODE, **given, pictures=grey(0.1, 0.2), prompts="dim")
        with pytest.raises(errors.DataError, match="the same score"):
            pack.run(NODE, **given, pictures=grey(*[0.5] * 6), prompts="dim")

    def test_the_fingerprint_is_that_of_the_scale(self, pack: Any, pair: list[Any]) -> None:
        fingerprint = pack.module("nodes.host.training.fingerprints").reward_fingerprint
        rng = torch.Generator().manual_seed(2)
        dark, light = (torch.rand(5, 40, 30, 3, generator=rng) * scale for scale in (0.4, 1.0))
        parts = {"reward_1": pair[0], "reward_2": pair[1]}
        found = [
            fingerprint(pack.run(NODE, **parts, pictures=each)["reward"]) for each in (dark, dark, light)
        ]
        plain = fingerprint(pack.run(NODE, **parts)["reward"])
        assert found[0] == found[1]
        assert len({plain, *found}) == 3

    def test_unconnected_it_says_that_judges_have_scales_of_their_own(
        self, pack: Any, given: dict[str, Any], pair: list[Any]
    ) -> None:
        assert "Connect a few 'pictures'" in pack.run(NODE, **given)["summary"]
        assert "Connect" not in pack.run(NODE, reward_1=pair[0], reward_2=pair[1])["summary"]


class _BrightAnyPrompt(Bright):
    needs_prompt = False

    def score(self, images: Any, prompts: Any = None, progress: Any = lambda _: None) -> Any:
        del prompts
        return super().score(images, None, progress)
