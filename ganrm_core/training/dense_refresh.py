"""Dense reward refitted as its generator learns: the picture as a whole, and every place of it."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from ..rewards.base import Images
from ..rewards.discriminator.reward_model import RewardModel
from ..utils.errors import DataError
from .head_refresh import HeadRefresh, picture_features
from .patch_features import patch_features
from .patch_head import PatchDiscriminator

PATCH_SHARE = 0.3
_ROUNDS_KEPT = 6
_PLACES_KEPT = 64
_KEPT_AS = torch.bfloat16
"""Half the memory; features of some networks do not fit into float16."""
_LEAST = 1e-6


class WithPatches(Protocol):
    """Pictures as the reward's backbone reads them, as a whole and by places."""

    @property
    def features(self) -> Tensor:
        """[N, D] as from `picture_features`."""

    @property
    def patches(self) -> Tensor | None:
        """[N, P, C] as from `patch_features`."""


@dataclass(frozen=True)
class DenseFeatures:
    """Follows `WithPatches`."""

    features: Tensor
    patches: Tensor

    @classmethod
    def of(cls, model: RewardModel, images: Images) -> DenseFeatures:
        return cls(picture_features(model, images), patch_features(model, images))

    @classmethod
    def finite(cls, judged: WithPatches) -> DenseFeatures:
        """What is finite throughout. Raises DataError without patches."""
        patches = _patches(judged)
        whole = torch.isfinite(judged.features).all(dim=1) & torch.isfinite(patches).flatten(1).all(dim=1)
        return cls(judged.features[whole].clone(), patches[whole].clone())


class DenseRefresh:
    """`RefreshedReward` whose logit is (1 − share) × that of the whole picture + share × the mean over all places.

    Both are brought to the same mean and deviation over the pictures of the last round, so that the shares are those of
    the ranking; the unit stays that of the whole picture's logit. The head of the whole is refitted as in
    `HeadRefresh`, that of the places goes on from where it was: references against ordinary pictures and the
    generator's latest, as much of either; the first reward has no share, since a style is all in its references.
    `ordinary` None: the first pictures that are added are the ordinary ones, and
    until then every logit is 0. A style needs no more than its references.
    """

    def __init__(
        self,
        model: RewardModel,
        references: DenseFeatures,
        ordinary: DenseFeatures | None = None,
        *,
        share: float = PATCH_SHARE,
        seed: int = 0,
    ) -> None:
        self._start, self._references = model, references
        self._share, self._seed = share, seed
        self._generator = torch.Generator().manual_seed(seed % 2**63)
        self._places = PatchDiscriminator(seed)
        self._factor = self._offset = 0.0
        self._latest: deque[Tensor] = deque(maxlen=_ROUNDS_KEPT)
        self._whole: HeadRefresh | None = None
        self._ordinary: Tensor | None = None
        self._ordinary_places: Tensor | None = None
        self._given = ordinary is not None
        if ordinary is not None:
            self._begin(ordinary.features, self._some_places(ordinary.patches))
            self._refit_places(ordinary)

    @property
    def model(self) -> RewardModel:
        """The reward as it is now, of the picture as a whole."""
        return self._whole.model if self._whole else self._start

    def add(self, judged: WithPatches) -> None:
        """Refit with a round's pictures; the oldest of more than six rounds is forgotten."""
        known = DenseFeatures.finite(judged)
        if not len(known.features):
            return
        places = self._some_places(known.patches)
        if self._whole is None:
            self._begin(known.features, places)
        assert self._whole is not None
        self._whole.add(known)
        self._latest.append(places)
        self._refit_places(known)

    def logits(self, judged: WithPatches) -> Tensor:
        """[N] by the refitted reward."""
        whole, head = self._whole, self._places.head
        if whole is None or head is None:
            return torch.where(torch.isfinite(judged.features).all(dim=1), 0.0, torch.nan)
        of_places = self._factor * head.picture_logits(_patches(judged)) + self._offset
        return (1 - self._share) * whole.logits(judged) + self._share * of_places

    newest = logits

    def state(self) -> dict[str, Tensor]:
        # Copies: the first round's places may be the ordinary ones too, and a file holds no tensor twice.
        found = {f"latest places/{number}": places.clone() for number, places in enumerate(self._latest)}
        found["generator"] = self._generator.get_state()
        found["scale"] = torch.tensor([self._factor, self._offset], dtype=torch.float64)
        found |= {f"places/{name}": value for name, value in self._places.state().items()}
        if self._whole is not None:
            found |= {f"whole/{name}": value for name, value in self._whole.state().items()}
        if not self._given and self._ordinary is not None and self._ordinary_places is not None:
            found |= {"ordinary": self._ordinary, "ordinary places": self._ordinary_places}
        return found

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        if "ordinary" in state:
            self._begin(state["ordinary"], state["ordinary places"])
        if self._whole is not None:
            self._whole.load_state(whole_state(state))
        latest = _below("latest places/", state)
        self._latest.clear()
        self._latest.extend(latest[str(number)] for number in range(len(latest)))
        self._places.load_state(_below("places/", state))
        self._factor, self._offset = state["scale"].tolist()
        self._generator.set_state(state["generator"])

    def _begin(self, ordinary: Tensor, places: Tensor) -> None:
        self._ordinary, self._ordinary_places = ordinary, places
        self._whole = HeadRefresh(
            self._start, self._references.features, ordinary, self._seed, first_share=0.0
        )

    def _refit_places(self, seen: DenseFeatures) -> None:
        """Refit the head of the places, and bring it to the scale of the whole on pictures `seen`."""
        assert self._whole is not None
        assert self._ordinary_places is not None
        others = [self._ordinary_places]
        if self._latest:
            others.append(torch.cat(list(self._latest)))
        head = self._places.fit(self._references.patches, others)
        whole, places = self._whole.logits(seen), head.picture_logits(seen.patches)
        spread = float(whole.std(correction=0))
        # A reward that was never trained has no spread to bring it to.
        self._factor = spread / max(float(places.std(correction=0)), _LEAST) if spread > _LEAST else 1.0
        self._offset = float(whole.mean() - self._factor * places.mean())

    def _some_places(self, patches: Tensor) -> Tensor:
        """What is kept of pictures [N, P, C] to learn from: [N, at most 64, C], halved precision."""
        count, places = patches.shape[:2]
        chosen = torch.rand(count, places, generator=self._generator).argsort(dim=1)[:, :_PLACES_KEPT]
        return patches[torch.arange(count)[:, None], chosen].to(_KEPT_AS)


def whole_state(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Of a `DenseRefresh`'s state, that of the `HeadRefresh` of the picture as a whole."""
    return _below("whole/", state)


def _patches(judged: WithPatches) -> Tensor:
    if judged.patches is None:
        raise DataError("There are no patches of these pictures, so a dense reward cannot judge them.")
    return judged.patches


def _below(prefix: str, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
