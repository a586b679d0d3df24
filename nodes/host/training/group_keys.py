"""Keys of kept groups: hashes of all that decides what a group's latents and scores are.

The two are entries of their own in the store, so that another reward only scores again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from torch import Tensor

from ....ganrm_core.post_training.groups import Sampling
from ....ganrm_core.post_training.tensor_store import entry_key, tensor_hash
from ....ganrm_core.rewards.base import Reward
from .fingerprints import known_fingerprint
from .prompt_set import PromptSet


class GroupKeys:
    """`model`, `vae` and `reward` are fingerprints, "" where unknown; then the keys that need them are "" as well."""

    def __init__(
        self, model: Any, prompts: PromptSet, vae: Any, reward: Reward, sampling: Sampling, start: Tensor
    ) -> None:
        """`start`: the latent that sampling starts from, [1, C, …]."""
        self.model, self.vae = known_fingerprint("model", model), known_fingerprint("vae", vae)
        self.reward = known_fingerprint("reward", reward)
        self._prompts = prompts
        self._positive: dict[int, str] = {}
        self._common = {
            "negative": known_fingerprint("conditioning", prompts.negative),
            "sampling": asdict(sampling),
            "start": tensor_hash(start),
        }

    def latents(self, prompt: int, seeds: Sequence[int]) -> str:
        if prompt not in self._positive:
            self._positive[prompt] = known_fingerprint("conditioning", self._prompts.positive[prompt])
        known = {
            "model": self.model,
            "positive": self._positive[prompt],
            "negative": self._common["negative"],
        }
        return (
            entry_key("latents", seeds=list(seeds), **{**self._common, **known})
            if all(known.values())
            else ""
        )

    def scores(self, prompt: int, seeds: Sequence[int]) -> str:
        known = {"latents": self.latents(prompt, seeds), "vae": self.vae, "reward": self.reward}
        # A reward may read the prompt.
        return entry_key("scores", text=self._prompts.texts[prompt], **known) if all(known.values()) else ""
