"""Stand-ins for Prompts and Make Groups: a text encoder, a taste, and a model whose seeds' worth is known."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from PIL import Image

from contract_support.rewards import Bright
from contract_support.sampling import STEPS, Guider, Noise, Stepping, Vae

NODE = "GANRMMakeGroups"
SAMPLING = {"seed": 3, "steps": STEPS, "cfg": 4.0, "sampler_name": "euler", "scheduler": "normal"}


class Clip:
    """Encodes a text as its length; 75 words make a piece, as in core's CLIP."""

    def __init__(self) -> None:
        self.encoded: list[str] = []

    def tokenize(self, text: str) -> dict[str, list[list[str]]]:
        words = text.split()
        pieces = [words[start : start + 75] for start in range(0, max(1, len(words)), 75)]
        # As an embedding that only CLIP-L has.
        return {"l": pieces * (2 if "embedding:l" in text else 1), "g": pieces}

    def encode_from_tokens_scheduled(self, tokens: dict[str, list[list[str]]]) -> list[list[Any]]:
        self.encoded.append(" ".join(word for piece in tokens["g"] for word in piece))
        return [[torch.tensor([float(len(self.encoded[-1]))]), {"pooled_output": None}]]


class Taste(Bright):
    """Records the prompts; fails on pictures of the brightness `fails_at`."""

    def __init__(self, pack: Any, name: str = "taste", fails_at: float | None = None) -> None:
        super().__init__(pack)
        self.name, self._fails_at = name, fails_at
        self.prompts: list[str] = []

    def score(self, images: Any, prompts: Any = None, progress: Any = lambda _: None) -> Any:
        if any(abs(float(image.mean()) - (self._fails_at or -1)) < 0.02 for image in images):
            raise ValueError("this picture frightens me")
        self.prompts += prompts
        return super().score(images, None, progress)


class GroupsNode:
    """The node on a stand-in model whose pictures are as bright as their seed is worth."""

    def __init__(self, pack: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        self.pack, self.guider, self.sampler = pack, Guider(), Stepping()
        self.drawing = False
        """Drawing takes most of the time."""
        self.reward = Taste(pack)
        rollouts = pack.module("nodes.host.training.rollouts")
        fingerprints = pack.module("nodes.host.training.fingerprints")
        setup = pack.module("nodes.host.sampling.sampling_setup").Setup
        single = pack.module("nodes.host.latents").single_latent

        def as_ksampler(
            _model: Any, _positive: Any, _negative: Any, latent: Any, *, seed: int, settings: Any
        ) -> Any:
            start = single(latent, self.guider.model_patcher)
            sigmas = torch.linspace(1, 0, settings.steps + 1)
            return setup(
                self.guider, self.sampler, sigmas, start, seed, lambda of: Noise(of).generate_noise(start)
            )

        monkeypatch.setattr(rollouts, "as_ksampler", as_ksampler)
        monkeypatch.setattr(fingerprints, "model_fingerprint", lambda _: "model")
        monkeypatch.setattr(fingerprints, "vae_fingerprint", lambda vae: type(vae).__name__)
        monkeypatch.setattr(fingerprints, "reward_fingerprint", lambda reward: reward.name)

    def __call__(self, texts: str = "cat dog", **inputs: Any) -> Any:
        module = self.pack.module("nodes.host.training.prompt_set")
        encoded = [[[torch.tensor([float(len(text))]), {"text": text}]] for text in texts.split()]
        given = {
            "model": self.guider.model_patcher,
            "prompts": module.PromptSet(tuple(texts.split()), tuple(encoded), "", [[torch.zeros(1), {}]]),
            "vae": Vae(),
            "reward": self.reward,
            "latent_image": {"samples": torch.zeros(1, 4, 8, 8)},
            "pictures": 4,
            "count": 3,
            **SAMPLING,
        }
        with pytest.MonkeyPatch.context() as patch:
            if not self.drawing:
                blank = Image.new("RGB", (8, 8))
                patch.setattr(
                    self.pack.module("nodes.post_training.make_groups"), "groups_sheet", lambda *_: blank
                )
                patch.setattr(
                    self.pack.module("nodes.post_training.groups_live").GroupsLive, "draw", lambda *_: blank
                )
            return self.pack.run(NODE, **{**given, **inputs})

    def costs(self, **inputs: Any) -> tuple[int, int, int]:
        """Pictures made, scored again, and taken from the disk."""
        ui = self(**inputs).ui
        return ui["made"][0], ui["rescored"][0], ui["reused"][0]


@pytest.fixture
def make_groups(pack: Any, folders: Any, reloads: list[Any], monkeypatch: pytest.MonkeyPatch) -> GroupsNode:
    return GroupsNode(pack, monkeypatch)
