"""Node "Make Groups": what the groups hold, what is kept on disk and taken from there, and what spoils a picture."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from contract_support.groups import NODE, GroupsNode, Taste
from contract_support.sampling import STEPS, Guider, Noise, Stepping, Vae, worth
from torch import Tensor
from unit_support.failing_disk import refuse_creating


def kept(folders: Any) -> list[Path]:
    return sorted((folders.user / "__ganrm" / "groups").glob("*.safetensors"))


class TestGroups:
    def test_each_holds_what_the_sampler_makes_of_its_seeds(self, make_groups: GroupsNode) -> None:
        result = make_groups()
        made = result["groups"]
        groups = made.groups.groups
        assert [made.prompts.texts[group.prompt] for group in groups] == ["cat", "dog", "cat"]
        seeds = [seed for group in groups for seed in group.seeds]
        assert len(set(seeds)) == 12
        assert max(seeds) < 2**49, "pages know no larger numbers exactly"
        for group in groups:
            for i, seed in enumerate(group.seeds):
                assert torch.equal(
                    group.latents[i : i + 1], Noise(seed).generate_noise({"samples": group.latents[:1]})
                )
                assert float(group.logits[i]) == pytest.approx(worth(seed), abs=0.01)
                assert float(group.scores[i]) == pytest.approx(worth(seed) / 2, abs=0.01)
            assert group.thumbnails.shape == (4, 8, 8, 3)
            assert not group.latents.is_inference()
        assert make_groups.reward.prompts == ["cat"] * 4 + ["dog"] * 4 + ["cat"] * 4
        assert make_groups.guider.asked == [4] * STEPS * 3, "a group is one batch"
        assert (made.groups.model, made.groups.vae, made.groups.reward) == ("model", "Vae", "taste")
        assert result["summary"].startswith("3 groups of 4 pictures")
        assert result.ui["seeds"] == [list(group.seeds) for group in groups]
        assert result["sheet"].shape[0] == 1

    def test_samplers_with_noise_of_their_own_get_each_seeds(self, make_groups: GroupsNode) -> None:
        make_groups.sampler = Stepping(grain=0.01)
        for group in make_groups(sampler_name="euler_ancestral")["groups"].groups.groups:
            for i, seed in enumerate(group.seeds):
                alone = Stepping(grain=0.01)
                noise = Noise(seed).generate_noise({"samples": group.latents[:1]})
                extra: dict[str, Any] = {"model_options": Guider().model_options, "seed": seed}
                guider, empty = Guider(), torch.zeros_like(noise)
                guider.model_options = extra["model_options"]
                sigmas = torch.linspace(1, 0, STEPS + 1)
                found = alone.sample(
                    guider, sigmas, extra, lambda *_: None, noise, empty, None, disable_pbar=True
                )
                assert torch.equal(group.latents[i : i + 1], found)

    def test_batches_halve_where_memory_runs_out(self, make_groups: GroupsNode) -> None:
        class Small(Guider):
            def __call__(self, x: Tensor, sigma: Tensor, **named: Any) -> Tensor:
                if len(x) > 2:
                    raise torch.cuda.OutOfMemoryError("too large")
                return super().__call__(x, sigma, **named)

        make_groups.guider = Small()
        assert make_groups.costs() == (12, 0, 0)
        assert set(make_groups.guider.asked) == {2}

    def test_a_latent_of_another_size_or_channels(self, make_groups: GroupsNode) -> None:
        groups = make_groups(latent_image={"samples": torch.zeros(2, 16, 4, 6)})["groups"].groups.groups
        assert groups[0].latents.shape == (4, 4, 4, 6)


class TestKept:
    def test_the_same_again_costs_nothing_and_more_only_what_is_new(
        self, make_groups: GroupsNode, folders: Any
    ) -> None:
        first = make_groups()
        asked = len(make_groups.guider.asked)
        again = make_groups()
        assert again.ui["reused"] == [12]
        assert len(make_groups.guider.asked) == asked
        for one, other in zip(first["groups"].groups.groups, again["groups"].groups.groups, strict=True):
            assert torch.equal(one.latents, other.latents)
            assert torch.equal(one.logits, other.logits)
            assert torch.equal(one.thumbnails, other.thumbnails)
        assert make_groups.costs(count=4) == (4, 0, 12)
        assert make_groups.costs(texts="bird cat dog", count=3) == (4, 0, 8), "a new prompt moves no other"
        assert len(kept(folders)) == 10

    def test_another_reward_or_vae_only_scores_again(self, make_groups: GroupsNode) -> None:
        make_groups()
        asked = len(make_groups.guider.asked)
        assert make_groups.costs(reward=Taste(make_groups.pack, "other")) == (0, 12, 0)
        assert make_groups.costs(vae=type("OtherVae", (Vae,), {})()) == (0, 12, 0)
        assert len(make_groups.guider.asked) == asked

    @pytest.mark.parametrize(
        "change",
        [
            {"seed": 4},
            {"steps": 2},
            {"cfg": 5.0},
            {"sampler_name": "heun"},
            {"scheduler": "karras"},
            {"latent_image": {"samples": torch.zeros(1, 4, 8, 16)}},
        ],
        ids=lambda change: next(iter(change)),
    )
    def test_anything_else_is_another_key(self, make_groups: GroupsNode, change: dict[str, Any]) -> None:
        make_groups()
        assert make_groups.costs(**change) == (12, 0, 0)

    def test_a_cancelled_run_goes_on_where_it_was(self, make_groups: GroupsNode, cancel: Any) -> None:
        interrupt = cancel(lambda: len(make_groups.guider.asked) == STEPS + 5)
        with pytest.raises(interrupt):
            make_groups()
        assert len(make_groups.guider.asked) == STEPS + 5, "within a step"
        cancel(lambda: False)
        assert make_groups.costs() == (8, 0, 4)

    def test_a_damaged_entry_is_made_anew(self, make_groups: GroupsNode, folders: Any) -> None:
        make_groups()
        for path in kept(folders):
            path.write_bytes(path.read_bytes()[:-1])
        assert make_groups.costs() == (12, 0, 0)
        assert make_groups.costs() == (0, 0, 12)

    def test_a_full_disk_stops_nothing(self, make_groups: GroupsNode, folders: Any, monkeypatch: Any) -> None:
        with monkeypatch.context() as patch:
            refuse_creating(errno.ENOSPC, patch)
            result = make_groups()
        assert result.ui["made"] == [12]
        assert result["summary"].count("Not everything is kept on disk") == 1
        assert "disk is full" in result["summary"]
        assert kept(folders) == []

    @pytest.mark.parametrize(("unknown", "files"), [("model", 0), ("reward", 3)])
    def test_what_cannot_be_recognised_again_is_not_kept(
        self, make_groups: GroupsNode, folders: Any, monkeypatch: Any, unknown: str, files: int
    ) -> None:
        fingerprints = make_groups.pack.module("nodes.host.training.fingerprints")
        monkeypatch.setattr(fingerprints, f"{unknown}_fingerprint", lambda _: "")
        assert "cannot be recognised again" in make_groups()["summary"]
        assert len(kept(folders)) == files


class TestSpoilt:
    def test_a_picture_with_nan_is_named_and_tried_again_next_time(self, make_groups: GroupsNode) -> None:
        class Overflowing(Vae):
            def decode(self, latents: Tensor) -> Tensor:
                pictures = super().decode(latents).clone()
                pictures[1] = float("nan")
                return pictures

        result = make_groups(vae=Overflowing())
        assert "Spoilt in group 1: picture 2." in result["summary"]
        group = result["groups"].groups.groups[0]
        assert 1 not in group.ranking()
        assert len(group.ranking()) == 3
        assert make_groups.costs(vae=Overflowing()) == (0, 8, 4), "the other pictures' scores are kept"

    def test_a_picture_the_reward_fails_on_costs_only_its_own_score(self, make_groups: GroupsNode) -> None:
        seeds = make_groups().ui["seeds"]
        reward = Taste(make_groups.pack, "frightened", fails_at=worth(seeds[1][2]))
        summary = make_groups(reward=reward)["summary"]
        assert "Group 2, picture 3: this picture frightens me" in summary
        assert "Spoilt in group 2: " in summary

    def test_where_nothing_of_the_first_group_is_scored_it_stops(
        self, make_groups: GroupsNode, errors: Any
    ) -> None:
        class Broken(Vae):
            def decode(self, latents: Tensor) -> Tensor:
                return super().decode(latents) * float("nan")

        class Refusing(Taste):
            def score(self, *_: Any, **__: Any) -> Any:
                raise ValueError("no weights")

        with pytest.raises(errors.ImageError, match="fp32-vae"):
            make_groups(vae=Broken())
        with pytest.raises(errors.DataError, match=r"could score none .* no weights"):
            make_groups(reward=Refusing(make_groups.pack))
        assert make_groups.costs() == (8, 4, 0), "the latents of the first group are not lost"

    def test_scores_all_alike_are_said(self, make_groups: GroupsNode) -> None:
        class Indifferent(Taste):
            def _scores(self, logits: list[float]) -> Any:
                return super()._scores([0.5] * len(logits))

        assert "nothing to learn" in make_groups(reward=Indifferent(make_groups.pack))["summary"]


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"texts": ""}, "There are no prompts"),
        ({"vae": type("V", (Vae,), {"latent_channels": 16})()}, "VAE is of another model"),
        ({"latent_image": {"samples": torch.zeros(1, 4, 3, 8, 8)}}, "is a video"),
        (
            {"latent_image": {"samples": torch.zeros(1, 4, 8, 8), "noise_mask": torch.ones(1, 8, 8)}},
            "has a mask",
        ),
        ({"latent_image": {"samples": torch.rand(2, 4, 8, 8)}}, "different pictures"),
        ({"sampler_name": "magic"}, "no 'magic'"),
        ({"count": 10_000, "latent_image": {"samples": torch.zeros(1, 4, 2000, 9000)}}, "GB of memory"),
    ],
)
def test_inputs_that_are_refused(
    make_groups: GroupsNode, errors: Any, inputs: dict[str, Any], message: str
) -> None:
    with pytest.raises(errors.DataError, match=message):
        make_groups(**inputs)
    assert make_groups.guider.asked == []


def test_an_unknown_sampler_is_refused_when_it_is_queued(pack: Any, folders: Any) -> None:
    assert "magic" in pack.refusal(NODE, sampler_name="magic", scheduler="normal")
    assert pack.refusal(NODE, sampler_name=None, scheduler=None) == ""


def test_the_preview_shows_the_group_being_made_and_ends_with_the_sheet(
    make_groups: GroupsNode, bar_updates: list[tuple[int, int, Any]], monkeypatch: Any
) -> None:
    drawn: list[Callable[..., Any]] = []
    live = make_groups.pack.module("nodes.post_training.groups_live")
    sheet = live.numbered_sheet

    def recorded(entries: Any, **texts: Any) -> Any:
        drawn.append((entries, texts))
        return sheet(entries, **texts)

    monkeypatch.setattr(live, "numbered_sheet", recorded)
    monkeypatch.setattr(make_groups.pack.module("nodes.host.progress"), "_PREVIEW_INTERVAL_S", 0.0)
    monkeypatch.setattr(make_groups.pack.module("nodes.host.progress"), "_BAR_INTERVAL_S", 0.0)
    make_groups.drawing = True
    result = make_groups(steps=2)
    titles = [texts["title"] for _, texts in drawn]  # type: ignore[attr-defined]
    assert any(title.startswith("Group 2 of 3") for title in titles)
    notes = {entry.note for entries, _ in drawn for entry in entries}  # type: ignore[attr-defined]
    assert "best so far\ngroup 1" in notes
    done = [value / total for value, total, _ in bar_updates]
    assert done == sorted(done)
    assert done[-1] == 1
    last = bar_updates[-1][2][1]
    assert tuple(result["sheet"].shape[1:3]) == (last.height, last.width)
