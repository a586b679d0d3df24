"""Train LoRA on Groups with a toy generator in the model's place: outputs, cache, previews, refusals and what goes wrong."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from contract_support.pack import Folders, Pack, Result
from contract_support.training_host import GroupTrainingHost
from unit_support.toy_generator import ToyDenoiser, make_groups

NODE = "GANRMTrainOnGroups"


def summary(result: Result) -> str:
    return str(result["summary"])


def test_a_lora_losses_a_report_and_what_to_do_next(host: GroupTrainingHost, bar_updates: list[Any]) -> None:
    result = host.run()
    assert result["lora"]["layer.lora_up.weight"].equal(host.denoiser.weight)
    assert len(set(result["loss"]["loss"])) >= 2
    assert result["report"].shape[0] == 1
    assert result["trained_model"] == (host.model, result["lora"])
    assert "Compare Models" in summary(result)
    assert "! A note." in summary(result)
    assert sum(preview is not None for *_, preview in bar_updates) >= 3
    assert all(isinstance(value, list) for value in result.ui.values())


def test_unchanged_inputs_do_not_train_again_and_changed_ones_do(host: GroupTrainingHost) -> None:
    first = host.run()
    again = host.run()
    assert host.trained == 1
    assert again["lora"]["layer.lora_up.weight"].equal(first["lora"]["layer.lora_up.weight"])
    assert "Reused: nothing had changed." in summary(again)
    assert again["loss"] == first["loss"]
    changes: list[dict[str, Any]] = [
        {"seed": 1},
        {"method": "pairs"},
        {"rank": 8},
        {"layers": "all"},
        {"batch": 4},
        {"groups": host.groups(seed=1)},
        {"start": {"layer.lora_up.weight": torch.zeros(4, 4)}},
    ]
    for change in changes:
        host.denoiser = ToyDenoiser()
        assert "Reused" not in summary(host.run(**change))
    host.fingerprint = "another"
    assert "Reused" not in summary(host.run())
    assert host.trained == len(changes) + 2


def test_a_model_that_cannot_be_recognised_is_trained_each_time(
    host: GroupTrainingHost, folders: Folders
) -> None:
    host.fingerprint = ""
    for _ in range(2):
        assert "not kept for the next run" in summary(host.run())
    assert host.trained == 2
    assert not list(folders.user.rglob("*.safetensors"))


def test_cancel_in_the_last_previews_loses_no_lora(host: GroupTrainingHost, cancel: Any) -> None:
    stages: list[str] = []
    host.on_preview = stages.append
    cancelled = cancel(lambda: stages[-1:] == ["sampling after"])
    with pytest.raises(cancelled):
        host.run()
    cancel(lambda: False)
    weight = host.denoiser.weight.detach().clone()
    host.denoiser.calls = 0
    result = host.run()
    assert result["lora"]["layer.lora_up.weight"].equal(weight)
    assert host.denoiser.calls == 0, "only the previews were made"
    assert host.run()["lora"]["layer.lora_up.weight"].equal(weight)
    assert [stage for stage in stages if stage != "training"] == [
        "sampling before",
        "sampling after",
        "sampling after",
    ]


def test_previews_that_fail_or_are_not_wanted_end_no_training(host: GroupTrainingHost) -> None:
    def fail(stage: str) -> None:
        if stage == "sampling after":
            raise RuntimeError("CUDA out of memory")

    host.on_preview = fail
    assert "not enough memory for previews" in summary(host.run())
    stages: list[str] = []
    host.on_preview = stages.append
    assert "Compare Models" in summary(host.run(previews=False, seed=2))
    assert stages == []


def test_no_numbers_keep_the_last_good_lora_and_say_so(host: GroupTrainingHost, errors: Any) -> None:
    host.denoiser = ToyDenoiser(broken_after=60)
    result = host.run(steps=40)
    assert "no longer a number" in summary(result)
    assert bool(result["lora"]["layer.lora_up.weight"].isfinite().all())
    host.denoiser = ToyDenoiser(broken_after=1)
    with pytest.raises(errors.DataError, match="lower learning rate"):
        host.run(steps=40, seed=1)


def test_out_of_memory_halves_and_then_says_what_to_lower(host: GroupTrainingHost, errors: Any) -> None:
    host.denoiser = ToyDenoiser(most=2)
    assert "Memory let only 2 of 4" in summary(host.run())
    host.denoiser = ToyDenoiser(most=0)
    with pytest.raises(errors.DataError, match="lower the rank"):
        host.run(seed=1)


def test_memory_that_runs_out_later_keeps_the_last_good_lora_and_tries_again(host: GroupTrainingHost) -> None:
    host.denoiser = ToyDenoiser(full_after=200)
    result = host.run(steps=40)
    assert "there was not enough memory" in summary(result)
    assert result["lora"]
    host.denoiser = ToyDenoiser()
    assert "there was not enough memory" not in summary(host.run(steps=40))


def test_a_full_disk_loses_no_lora(host: GroupTrainingHost, pack: Pack, monkeypatch: Any) -> None:
    def full(*_: Any, **__: Any) -> Any:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pack.module("ganrm_core.post_training.tensor_store"), "atomic_file", full)
    result = host.run()
    assert "not kept for the next run" in summary(result)
    assert result["lora"]


def test_damage_counts_as_absent(host: GroupTrainingHost, folders: Folders) -> None:
    host.run()
    for path in folders.user.rglob("*.safetensors"):
        path.write_bytes(path.read_bytes()[:-1])
    host.run()
    assert host.trained == 2


def test_what_does_not_fit_is_refused(host: GroupTrainingHost, pack: Pack, errors: Any) -> None:
    groups = host.groups()
    bare = pack.module("nodes.host.training.prompt_set").PromptedGroups

    def refused(match: str, **inputs: Any) -> None:
        with pytest.raises(errors.DataError, match=match):
            host.run(**inputs)

    nothing = SimpleNamespace(**{**vars(groups.groups), "groups": ()})
    refused("no groups", groups=bare(nothing, groups.prompts))
    refused("same score", groups=host.groups(size=1))
    refused("no method", method="grpo")
    refused("not on this machine", start_file="../secret.safetensors")
    assert "not on this machine" in pack.refusal(NODE, start_file="gone.safetensors")
    assert "no layers" in pack.refusal(NODE, layers="some")
    assert "no gradient checkpointing" in pack.refusal(NODE, checkpointing="some")
    assert pack.refusal(NODE, method="pairs", layers=None, start_file="none") == ""
    host.model.model.latent_format.latent_channels = 16
    refused("another kind of model", groups=groups)
    named = SimpleNamespace(**{**vars(groups.groups), "family": "SDXL, SDXL latents"})
    refused("another kind of model .SDXL", groups=bare(named, groups.prompts))


@pytest.mark.parametrize(("method", "cfg"), [("best", 2.0), ("best", 1.0), ("pairs", 2.0)])
def test_guidance_that_a_node_changes_is_learned_by_pairs_only(
    host: GroupTrainingHost, errors: Any, method: str, cfg: float
) -> None:
    host.model.model_options = {"sampler_cfg_function": lambda args: args["cond"]}
    groups = host.groups()
    object.__setattr__(groups.groups.sampling, "cfg", cfg)
    if (method, cfg) == ("best", 2.0):
        with pytest.raises(errors.DataError, match="RescaleCFG"):
            host.run(groups=groups, method=method)
    else:
        assert host.run(groups=groups, method=method)["lora"]


def test_groups_of_another_model_and_loras_in_the_model_are_told(host: GroupTrainingHost, pack: Pack) -> None:
    groups = host.groups()
    made = SimpleNamespace(**{**vars(groups.groups), "model": "another"})
    made.spread, made.alike = groups.groups.spread, groups.groups.alike
    host.model.patches = {"key": []}
    other = pack.module("nodes.host.training.prompt_set").PromptedGroups(made, groups.prompts)
    text = summary(host.run(groups=other))
    assert "another model than the one connected" in text
    assert "use both together" in text


def test_previews_take_a_tenth_of_the_time(pack: Pack) -> None:
    now = [0.0]
    budget = pack.module("nodes.post_training.lora_preview").Budget(clock=lambda: now[0])

    def make(seconds: float, counts: bool = True) -> None:
        with budget.timed(counts=counts):
            now[0] += seconds

    make(2.0, counts=False)
    assert not budget.is_due
    now[0] = 20.0
    assert budget.is_due
    make(2.0)
    assert not budget.is_due
    now[0] = 41.0
    assert budget.is_due


def test_previews_are_of_the_first_groups(pack: Pack) -> None:
    previewed = pack.module("nodes.post_training.lora_preview").previewed
    assert previewed(make_groups(8, size=3)) == [(0, 0), (1, 3), (0, 6), (1, 9)]
    assert previewed(make_groups(1, size=3)) == [(0, 0), (0, 1), (0, 2)]
    assert previewed(make_groups(2, size=2)) == [(0, 0), (1, 2), (0, 1), (1, 3)]
