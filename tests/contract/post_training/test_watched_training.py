"""Train LoRA on Groups with a reward: what the watch sees, whose LoRA comes out, and what is left after a stop."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from contract_support.pack import Folders, Pack, Result
from contract_support.rewards import Bright
from contract_support.training_host import GroupTrainingHost
from PIL import Image
from unit_support.toy_generator import ToyDenoiser

PROMPTS, LOOKS = 2, 6


class Taste(Bright):
    """Brightness, or darkness with a `sign` of −1, told the prompts; and a `bonus` for all pictures of a time."""

    def __init__(
        self, pack: Pack, name: str = "taste", sign: float = 1.0, bonus: Callable[[], float] = lambda: 0.0
    ) -> None:
        super().__init__(pack)
        self.name, self._sign, self._bonus = name, sign, bonus

    def score(self, images: Any, prompts: Any = None, progress: Any = lambda _: None) -> Any:
        assert set(prompts) <= {"0", "1"}
        found = super().score(images, None, progress)
        return type(found)(self._sign * found.logit + self._bonus(), found.score, found.uncertainty)


@pytest.fixture
def watched(host: GroupTrainingHost, pack: Pack, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """(**inputs) → a training of 5 steps, watched by a taste for brightness; nothing is drawn unless `drawn`."""
    blank = Image.new("RGB", (8, 8))
    drawings = {
        "lora_training": ("training_body", "live_training_card"),
        "train_on_groups": ("training_report_card",),
    }

    def run(*, drawn: bool = False, **inputs: Any) -> Result:
        with monkeypatch.context() as patch:
            for module, names in drawings.items():
                for name in () if drawn else names:
                    patch.setattr(pack.module(f"nodes.post_training.{module}"), name, lambda *_, **__: blank)
            return host.run(**{"vae": object(), "reward": Taste(pack), **inputs})

    return run


def looks(result: Result) -> list[Any]:
    return list(result.ui["looks"])


def test_the_same_pictures_are_judged_before_and_five_times_in_training(
    host: GroupTrainingHost, watched: Callable[..., Result], bar_updates: list[Any]
) -> None:
    result = watched(drawn=True)
    assert [look["steps"] for look in looks(result)] == [0, 1, 2, 3, 4, 5]
    assert host.watched == LOOKS * PROMPTS
    assert looks(result)[-1]["reward"] > 0.1
    assert set(looks(result)[-1]) == {
        "steps", "reward", "forgetting", "details", "diversity", "spread", "prompts"
    }  # fmt: skip
    assert "by the watch the last is the best" in result["summary"]
    assert "After step 5: pleases your taste +" in result["summary"]
    shares = [value / total for value, total, _ in bar_updates]
    assert shares == sorted(shares)


def test_the_lora_is_the_same_as_without_watch_and_kept_apart(
    host: GroupTrainingHost, watched: Callable[..., Result]
) -> None:
    plain = host.run()
    assert looks(plain) == []
    host.denoiser = ToyDenoiser()
    seen = watched()
    assert seen["lora"]["layer.lora_up.weight"].equal(plain["lora"]["layer.lora_up.weight"])
    assert "Reused" not in seen["summary"]
    assert looks(host.run()) == []
    assert host.trained == 2


def test_looks_are_kept_and_another_taste_looks_anew(
    host: GroupTrainingHost, pack: Pack, watched: Callable[..., Result]
) -> None:
    first, again = watched(), watched()
    assert looks(again) == looks(first)
    assert "Reused" in again["summary"]
    for changed in ({"reward": Taste(pack, "another")}, {"judge": Taste(pack)}):
        host.denoiser = ToyDenoiser()
        assert "Reused" not in watched(**changed)["summary"]
    assert host.trained == 3


def test_a_judge_that_disagrees_stops_the_training(
    host: GroupTrainingHost, pack: Pack, watched: Callable[..., Result], is_blocked: Any
) -> None:
    judge = Taste(pack, "judge", sign=-1.0)
    result = watched(judge=judge, steps=30, learning_rate=0.1)
    assert result.ui["stopped"] == ["judge"]
    assert "second opinion did not agree" in result["summary"]
    assert looks(result)[-1]["judge"] > 1
    # The judge liked no look better than the pictures before training.
    assert result.ui["steps"] == [0]
    assert "as it was before training" in result["summary"]
    assert is_blocked(result["lora"])
    assert is_blocked(result["trained_model"])
    again = watched(judge=judge, steps=30, learning_rate=0.1, start=None)
    assert "Reused" in again["summary"]
    assert is_blocked(again["lora"])


@pytest.mark.parametrize(("best", "kept"), [("last", 5), ("earlier", 2), ("first", 5)])
def test_cancel_in_the_last_look_loses_no_training(
    host: GroupTrainingHost, pack: Pack, watched: Callable[..., Result], cancel: Any, best: str, kept: int
) -> None:
    """The next run looks once more and comes to the same."""
    liked = {"last": -1, "earlier": 2, "first": 0}[best]

    def bonus() -> float:
        return float((host.watched - 1) // PROMPTS == liked)

    inputs: dict[str, Any] = {"reward": Taste(pack, bonus=bonus), "seed": 3}
    whole = watched(**inputs)
    assert whole.ui["steps"] == [kept]
    for path in pack.module("nodes.host.folders").cache_folder().rglob("*.safetensors"):
        path.unlink()
    host.denoiser, host.watched = ToyDenoiser(), 0
    looked = (LOOKS - 1) * PROMPTS
    cancelled = cancel(lambda: host.watched == looked + 1)
    with pytest.raises(cancelled):
        watched(**inputs)
    cancel(lambda: False)
    result = watched(**inputs)
    assert host.watched == looked + 1 + PROMPTS
    assert looks(result) == looks(whole)
    assert result.ui["steps"] == [kept]
    assert result["lora"]["layer.lora_up.weight"].equal(whole["lora"]["layer.lora_up.weight"])
    assert "Reused" in watched(**inputs)["summary"]


def test_cancel_comes_within_a_watched_sampling(
    host: GroupTrainingHost, watched: Callable[..., Result], cancel: Any, folders: Folders
) -> None:
    cancelled = cancel(lambda: host.watched == 3)
    with pytest.raises(cancelled):
        watched()
    assert host.watched == 3
    assert not list(folders.user.rglob("*.safetensors"))


@pytest.mark.parametrize("from_group", [1, 4])
def test_a_watch_without_memory_ends_no_training_and_is_told(
    host: GroupTrainingHost, watched: Callable[..., Result], from_group: int
) -> None:
    def fail(group: int) -> None:
        if group >= from_group:
            raise RuntimeError("CUDA out of memory")

    host.on_look = fail
    for _ in range(2):  # also from the disk
        result = watched()
        assert "was not watched" in result["summary"]
        assert "not enough memory" in result["summary"]
        assert (result.ui["steps"], len(looks(result))) == ([5], from_group // 3)
        assert result["lora"]["layer.lora_up.weight"].equal(host.denoiser.weight)


def test_a_taste_that_fails_is_told_at_once_and_later_ends_no_training(
    host: GroupTrainingHost, watched: Callable[..., Result]
) -> None:
    def fail(group: int) -> None:
        if group >= first:
            raise ValueError("this taste is broken")

    host.on_look, first = fail, 1
    with pytest.raises(ValueError, match="this taste is broken"):
        watched()
    first, host.watched = 5, 0
    assert "this taste is broken" in watched()["summary"]


def test_what_is_missing_or_differs_is_said(
    host: GroupTrainingHost, pack: Pack, watched: Callable[..., Result], errors: Any
) -> None:
    with pytest.raises(errors.DataError, match="connect the VAE"):
        watched(vae=None)
    assert host.trained == 0
    assert "judge is not asked" in host.run(judge=Taste(pack))["summary"]
    groups = host.groups()
    object.__setattr__(groups.groups, "reward", "another")
    assert "another taste than the one that scored" in watched(groups=groups, steps=1)["summary"]
