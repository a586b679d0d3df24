"""Groups, models and rewards whose qualities are known, and the nodes of post-training run on them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from contract_support.rewards import Bright
from contract_support.sampling import Vae

COMPARE, EXPORT = "GANRMCompareModels", "GANRMExportGroups"
TEXTS = ("a red bird", "rain", "snow")
PROMPTS = ("a (cat:1.2)", "dog, embedding:bad")
LOGITS = ((0.1, 0.9, 0.5, 0.2), (0.8, 0.3, 0.4, 0.6))


class RewardWithPrompts(Bright):
    """Brightness, from a reward that is told the prompts."""

    def __init__(self, pack: Any, sign: float = 1.0) -> None:
        super().__init__(pack)
        self._sign = sign
        self.asked: list[tuple[str, ...]] = []

    def score(self, images: Any, prompts: Any = None, progress: Any = lambda _: None) -> Any:
        self.asked.append(tuple(prompts))
        scores = super().score(images, None, progress)
        return type(scores)(self._sign * scores.logit, scores.score, scores.uncertainty)


class Maker:
    """A model whose pictures are patches of `spread` around the brightness `level`, different for every seed."""

    def __init__(
        self, level: float, spread: float = 0.1, broken: Sequence[int] = (), channels: int = 4
    ) -> None:
        self.level, self.spread, self.broken, self.channels = level, spread, broken, channels
        self.seeds: list[tuple[int, tuple[int, ...]]] = []

    def latent(self, seed: int) -> Tensor:
        generator = torch.Generator().manual_seed(seed)
        picture = self.level + self.spread * torch.randn(1, 16, 16, generator=generator)
        return (
            torch.full((self.channels, 16, 16), torch.nan)
            if seed in self.broken
            else picture.expand(self.channels, -1, -1)
        )


class Rollouts:
    """Stands in for core's sampling."""

    def __init__(self, model: Maker, prompts: Any, settings: Any, latent: Any) -> None:
        assert latent["samples"].shape == (1, 4, 16, 16)
        self._model, self._steps = model, settings.steps

    def sample(self, prompt: int, seeds: Sequence[int], progress: Callable[[Any], None]) -> Tensor:
        self._model.seeds.append((prompt, tuple(seeds)))
        step = SimpleNamespace(stage="Sampling", done=1, total=self._steps * len(seeds))
        progress(step)
        return torch.stack([self._model.latent(seed) for seed in seeds])


@pytest.fixture
def run_comparison(pack: Any, folders: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """(after, gains=(before, after), **inputs) → the result; before is dark, prompts are followed as `gains` say."""
    module = pack.module("nodes.post_training.comparison_run")
    prompt_set = pack.module("nodes.host.training.prompt_set").PromptSet

    def run_node(after: Maker, gains: tuple[float, float] = (1.0, 1.0), **inputs: Any) -> Any:
        before, texts = inputs.pop("before", Maker(0.3)), inputs.pop("texts", TEXTS)

        def prompt_gains(
            model: Any, _: Any, prompt: int, latents: Tensor, seeds: Any, stepped: Any
        ) -> Tensor:
            assert model is before, "a trained judge would agree with itself"
            stepped()
            dark = torch.equal(
                latents.nan_to_num(0), torch.stack([before.latent(seed) for seed in seeds]).nan_to_num(0)
            )
            return gains[not dark] + 0.01 * torch.arange(len(latents))

        monkeypatch.setattr(module, "Rollouts", Rollouts)
        monkeypatch.setattr(module, "prompt_gains", prompt_gains)
        monkeypatch.setattr(
            pack.module("nodes.post_training.compare_models"), "single_latent", lambda latent, _: latent
        )
        given = {
            "before": before,
            "after": after,
            "prompts": prompt_set(texts, ([],) * len(texts), "", []),
            "vae": Vae(),
            "reward": RewardWithPrompts(pack),
            "latent_image": {"samples": torch.zeros(1, 4, 16, 16)},
            "seed": 7,
            "pictures": 4,
            "sampler_name": "euler",
            "scheduler": "simple",
        }
        return pack.run(COMPARE, **{**given, **inputs})

    return run_node


@pytest.fixture
def scored_groups(pack: Any) -> Any:
    """Two groups of four; a picture's brightness is its score."""
    module = pack.module("ganrm_core.post_training.groups")

    def group(prompt: int, logits: Sequence[float]) -> Any:
        values = torch.tensor(logits)
        latents = values.view(-1, 1, 1, 1).expand(-1, 4, 6, 8).contiguous()
        empty = torch.zeros(4, 2, 2, 3, dtype=torch.uint8)
        seeds = tuple(100 * prompt + place for place in range(4))
        return module.Group(prompt, seeds, latents, values, values, torch.zeros(4), empty)

    made = tuple(group(prompt, logits) for prompt, logits in enumerate(LOGITS))
    found = module.Groups(PROMPTS, made, module.Sampling(4, 1.0, "euler", "simple"))
    prompt_set = pack.module("nodes.host.training.prompt_set")
    return prompt_set.PromptedGroups(found, prompt_set.PromptSet(PROMPTS, ([], []), "", []))


@pytest.fixture
def export_groups(pack: Any, folders: Any, scored_groups: Any) -> Callable[..., Any]:
    return lambda **inputs: pack.run(
        EXPORT, **{"groups": scored_groups, "vae": Vae(), "folder": "export", **inputs}
    )
