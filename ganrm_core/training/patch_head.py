"""Patch discriminator: a small MLP that tells places of reference pictures from places of others."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, gelu

_HIDDEN = 64
_BATCH = 1024
_FIRST_STEPS, _STEPS = 200, 60
_LEARNING_RATE, _WEIGHT_DECAY = 2e-3, 1e-2


class PatchHead(nn.Module):
    """MLP on standardised features of a place, [..., C] → logits [...]; NaN in, NaN out."""

    mean: Tensor
    scale: Tensor

    def __init__(self, mean: Tensor, scale: Tensor, generator: torch.Generator) -> None:
        """`mean`, `scale` [C]: of the features; `generator`: of the first weights."""
        super().__init__()
        self.register_buffer("mean", mean.float())
        self.register_buffer("scale", scale.float())
        width = len(mean)
        self.hidden = nn.Parameter(_drawn((_HIDDEN, width), generator))
        self.hidden_bias = nn.Parameter(torch.zeros(_HIDDEN))
        self.out = nn.Parameter(_drawn((_HIDDEN,), generator))
        self.bias = nn.Parameter(torch.zeros(()))

    def forward(self, patches: Tensor) -> Tensor:
        inner = (patches.float() - self.mean) / self.scale @ self.hidden.T + self.hidden_bias
        logits: Tensor = gelu(inner) @ self.out + self.bias
        return logits

    @torch.no_grad()
    def picture_logits(self, patches: Tensor) -> Tensor:
        """Pictures [N, P, C] → the mean over *all* their places, [N].

        Drawing some places at random, as Adv-GRPO does (Mao et al. 2025, arXiv 2511.20256), would rank equal pictures
        by luck.
        """
        return torch.cat([self(some).mean(dim=1) for some in patches.split(32)])


class PatchDiscriminator:
    """Fits a `PatchHead` again and again, each time from where it was."""

    def __init__(self, seed: int) -> None:
        self._generator = torch.Generator().manual_seed(seed % 2**63)
        self.head: PatchHead | None = None

    def fit(self, references: Tensor, others: Sequence[Tensor]) -> PatchHead:
        """References [N, P, C] against `others`, each [M, Q, C], which count alike however many they are."""
        with torch.inference_mode(False), torch.enable_grad():
            steps = _STEPS
            if self.head is None:
                self.head, steps = self._new([references, *others]), _FIRST_STEPS
            self.head.requires_grad_(True)
            optimiser = torch.optim.AdamW(self.head.parameters(), _LEARNING_RATE, weight_decay=_WEIGHT_DECAY)
            count = _BATCH // 2 // len(others)
            labels = torch.cat([torch.ones(count * len(others)), torch.zeros(count * len(others))])
            for _ in range(steps):
                patches = [self._some(references, count * len(others))]
                patches += [self._some(each, count) for each in others]
                loss = binary_cross_entropy_with_logits(self.head(torch.cat(patches)), labels)
                optimiser.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimiser.step()
            self.head.requires_grad_(False)
        return self.head

    def state(self) -> dict[str, Tensor]:
        found = {"generator": self._generator.get_state()}
        if self.head is not None:
            found |= {f"head/{name}": value.clone() for name, value in self.head.state_dict().items()}
        return found

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        kept = {
            name.removeprefix("head/"): value for name, value in state.items() if name.startswith("head/")
        }
        self.head = None
        if kept:
            with torch.inference_mode(False):
                self.head = PatchHead(kept["mean"], kept["scale"], torch.Generator())
                self.head.load_state_dict(kept)
                self.head.requires_grad_(False)
        self._generator.set_state(state["generator"])

    def _new(self, parts: Sequence[Tensor]) -> PatchHead:
        patches = torch.cat([self._some(part, _BATCH) for part in parts])
        scale = patches.std(dim=0)
        # Channels that hardly vary would blow up what is rounding.
        scale = scale.clamp_min(1e-3 * float(scale.mean()) + 1e-12)
        return PatchHead(patches.mean(dim=0), scale, self._generator)

    def _some(self, patches: Tensor, count: int) -> Tensor:
        """Random places of random pictures, [count, C]."""
        picture, place = (
            torch.randint(size, (count,), generator=self._generator) for size in patches.shape[:2]
        )
        return patches[picture, place].float()


def _drawn(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    return torch.randn(shape, generator=generator) / math.sqrt(shape[-1])
