"""Weighted combination of rewards: logarithmic opinion pool of their calibrated scores."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import torch

from ..data.skipped_files import Skipped
from ..metrics.calibration import Calibration
from ..utils.errors import DataError
from ..utils.progress import ProgressCallback, no_progress, part_of
from .base import Images, Reward, Scores, how_many, needs_prompt, scored_files
from .discriminator.reward_model import RewardModel
from .log_odds import in_log_odds, log_odds
from .shared_backbone import SharedScoring, share_a_backbone
from .standardisation import AS_IT_IS, CalibrationOf, Standard

ModelOf = Callable[[Reward], RewardModel | None]
"""The reward model that a host's wrapper holds."""
ToDevice = Callable[[Reward, int], None]
"""Puts the backbone of a reward on its device before it runs for a number of pictures."""


def model_itself(reward: Reward) -> RewardModel | None:
    """`reward` where it is a reward model, else None."""
    return reward if isinstance(reward, RewardModel) else None


def calibration_by(model_of: ModelOf) -> CalibrationOf:
    """The calibration of any reward: that of its reward model, or its own; None where it has none."""
    return lambda reward: getattr(model_of(reward) or reward, "calibration", None)


def stay_in_place(reward: Reward, pictures: int) -> None:
    """For backbones that are on their device already."""
    del reward, pictures


class CombinedReward:
    """Several rewards as one. Follows the `Reward` protocol.

    With l the log-odds of each (logit / temperature + bias, so that its score is sigmoid(l)) and u its
    uncertainty in log-odds (uncertainty / temperature),

        logit = Σ w·l / Σ |w|      score = sigmoid(logit)      uncertainty = √(Σ (w·u)²) / Σ |w|

    the logarithmic opinion pool (Genest & Zidek 1986): where all rewards agree, so does the result, whatever the
    weights. A negative weight penalises what that reward likes. Uncertainties add up as independent ones, so that
    of one model given twice comes out too small.

    With `standards` l and u are first put on the scale of given pictures, (l − centre) / spread and u / spread: rewards on
    different scales then count as their weights say, and a score of 0.5 is as good as the middle of those pictures.

    Reward models on the same backbone run it once per picture. For a reward without a `calibration` l is the log-odds of
    its score, and u its uncertainty as it is.
    """

    def __init__(
        self,
        rewards: Sequence[Reward],
        weights: Sequence[float] | None = None,
        *,
        name: str = "",
        standards: Sequence[Standard] | None = None,
        model_of: ModelOf = model_itself,
        to_device: ToDevice = stay_in_place,
    ) -> None:
        """`weights`: one per reward, finite and not all 0; equal by default. `standards`: one per reward.

        Rewards of weight 0 are left out, combined ones are flattened. The default `name` is the weighted sum in
        words. A host that wraps its models gives `model_of`, and `to_device`, called before a shared backbone runs.
        Raises DataError for unusable weights.
        """
        given = [1.0] * len(rewards) if weights is None else [float(weight) for weight in weights]
        parts, offset = _flattened(rewards, given, standards or [AS_IT_IS] * len(rewards))
        total = sum(abs(part.weight) for part in parts)
        self.rewards = tuple(part.reward for part in parts)
        """The rewards that are scored; none is a combined one."""
        self.shares = tuple(part.weight / total for part in parts)
        """Signed weights; their absolute values sum to 1."""
        self.standards = tuple(part.standard for part in parts)
        """The scale of each."""
        self.offset = offset / total
        """Added to the logit: not 0 only where a combination inside was standardised."""
        self._name = name.strip() or _sum_name(rewards, given)
        models = [model_of(reward) for reward in self.rewards]
        self._calibrations = list(map(calibration_by(model_of), self.rewards))
        self._groups = _grouped(self.rewards, models, to_device)

    calibration = Calibration()
    """The logit is the log-odds of the score."""

    @property
    def name(self) -> str:
        return self._name

    @property
    def is_standardised(self) -> bool:
        """Whether any part is on the scale of given pictures."""
        return any(standard != AS_IT_IS for standard in self.standards)

    @property
    def thresholds(self) -> Mapping[str, float]:
        """`balanced`: the score of a picture at the `balanced` threshold of every part.

        Derived from the parts, not measured on labelled pictures. Empty where a part has no such threshold.
        """
        each = [reward.thresholds.get("balanced") for reward in self.rewards]
        known = torch.tensor([value for value in each if value is not None], dtype=torch.float64)
        if len(known) < len(each):
            return {}
        parts = zip(self.shares, self.standards, log_odds(known), strict=True)
        odds = sum(
            (share * standard.of(value) for share, standard, value in parts), torch.tensor(self.offset)
        )
        return {"balanced": float(torch.sigmoid(odds))}

    @property
    def needs_prompt(self) -> bool:
        """Whether any part does."""
        return any(map(needs_prompt, self.rewards))

    @property
    def shared(self) -> list[list[Reward]]:
        """Groups of rewards whose backbone runs once for the whole group."""
        groups = [[self.rewards[position] for position in group.positions] for group in self._groups]
        return [group for group in groups if len(group) > 1]

    def score(
        self,
        images: Images,
        prompts: Sequence[str] | None = None,
        progress: ProgressCallback = no_progress,
    ) -> Scores:
        """Score pictures. `prompts` are passed to the parts that are not reward models."""
        found: dict[int, Scores] = {}
        for number, group in enumerate(self._groups):
            found |= group.score(images, prompts, part_of(progress, number, len(self._groups)))
        said = {self.rewards[position].name: scores for position, scores in found.items()}
        return self._pooled(found).with_remarks_of(said)

    def score_files(
        self, paths: Sequence[Path], skipped: list[Skipped], prompts: Sequence[str] | None = None
    ) -> Iterator[tuple[Path, Scores]]:
        """Score files one by one, in order. A file that any part cannot read is skipped for all."""
        with ExitStack() as stack:
            streams = [_Stream(group, paths, prompts) for group in self._groups]
            for stream in streams:
                stack.callback(stream.close)  # ends the decoding threads
            for path in paths:
                taken = [stream.take(path) for stream in streams]
                found = {position: scores for part in taken for position, scores in (part or {}).items()}
                if len(found) == len(self.rewards):
                    yield path, self._pooled(found)
                else:
                    missing = next(s for s, part in zip(streams, taken, strict=True) if part is None)
                    skipped.append(missing.why_skipped(path))

    def _pooled(self, found: Mapping[int, Scores]) -> Scores:
        logit = torch.full((len(found[0]),), self.offset, dtype=torch.float64)
        variance = torch.zeros_like(logit)
        parts = zip(self.shares, self.standards, self._calibrations, strict=True)
        for position, (share, standard, calibration) in enumerate(parts):
            odds, uncertainty = in_log_odds(found[position], calibration)
            logit += share * standard.of(odds)
            variance += (share * uncertainty / standard.spread).square()
        return Scores(logit.float(), torch.sigmoid(logit).float(), variance.sqrt().float())


class _Group:
    """Rewards that are scored in one go, by their positions among all."""

    def __init__(
        self, positions: list[int], reward: Reward, models: Sequence[RewardModel], to_device: ToDevice
    ) -> None:
        """`reward` is the first of them; `models` are those that share its backbone, itself included."""
        self.positions = positions
        self._reward, self._to_device = reward, to_device
        self._shared = SharedScoring(models) if len(models) > 1 else None

    def score(
        self, images: Images, prompts: Sequence[str] | None, progress: ProgressCallback
    ) -> dict[int, Scores]:
        if self._shared is None:
            return {self.positions[0]: self._reward.score(images, prompts, progress)}
        self._to_device(self._reward, how_many(images))
        return dict(zip(self.positions, self._shared.score(images, progress), strict=True))

    def score_files(
        self, paths: Sequence[Path], skipped: list[Skipped], prompts: Sequence[str] | None
    ) -> Iterator[tuple[Path, dict[int, Scores]]]:
        if self._shared is None:
            for path, scores in scored_files(self._reward, paths, skipped, prompts):
                yield path, {self.positions[0]: scores}
            return
        self._to_device(self._reward, len(paths))
        for path, of_each in self._shared.score_files(paths, skipped):
            yield path, dict(zip(self.positions, of_each, strict=True))


class _Stream:
    """Scores of files by one group, matched to the requested path file by file."""

    def __init__(self, group: _Group, paths: Sequence[Path], prompts: Sequence[str] | None) -> None:
        self._skipped: list[Skipped] = []
        self._scored = group.score_files(paths, self._skipped, prompts)
        self._ahead: tuple[Path, dict[int, Scores]] | None = None

    def take(self, path: Path) -> dict[int, Scores] | None:
        """The scores of `path`; None where the group skipped it."""
        self._ahead = self._ahead or next(self._scored, None)
        if self._ahead is None or self._ahead[0] != path:
            return None
        scores, self._ahead = self._ahead[1], None
        return scores

    def why_skipped(self, path: Path) -> Skipped:
        # From the end: files are requested in order, so the newest entries are the likely ones.
        silent = Skipped(path, "it was given no score")
        return next((entry for entry in reversed(self._skipped) if entry.path == path), silent)

    def close(self) -> None:
        close = getattr(self._scored, "close", lambda: None)
        close()


@dataclass(frozen=True)
class _Part:
    """A reward that is scored, with its weight and scale."""

    reward: Reward
    weight: float
    standard: Standard


def _flattened(
    rewards: Sequence[Reward], weights: Sequence[float], standards: Sequence[Standard]
) -> tuple[list[_Part], float]:
    """Rewards with their weights, combined ones flattened and those of weight 0 left out; and what is added to the sum.

    A combination's logit o + Σ s·z is standardised as (o − centre) / spread + Σ s·z / spread: the scale of each part is
    widened, the rest is added.
    """
    if not len(weights) == len(rewards) == len(standards):
        raise DataError(f"There are {len(rewards)} rewards but {len(weights)} weights. Give one for each.")
    parts: list[_Part] = []
    offset = 0.0
    for reward, weight, standard in zip(rewards, weights, standards, strict=True):
        if not math.isfinite(weight):
            raise DataError(f"The weight of {reward.name} is {weight}. Give a number such as 1 or -0.5.")
        if isinstance(reward, CombinedReward):
            offset += weight * (reward.offset - standard.centre) / standard.spread
            parts += [
                _Part(one, weight * share, Standard(own.centre, own.spread * standard.spread))
                for one, share, own in zip(reward.rewards, reward.shares, reward.standards, strict=True)
            ]
        else:
            parts.append(_Part(reward, weight, standard))
    parts = [part for part in parts if part.weight]
    check_some_count([part.weight for part in parts])
    return parts, offset


def check_some_count(weights: Sequence[float]) -> None:
    """Raise DataError where every weight is 0."""
    if not any(weights):
        raise DataError(
            "No reward with a weight other than 0 is left to judge by. Give at least one a weight."
        )


def _grouped(
    rewards: Sequence[Reward], models: Sequence[RewardModel | None], to_device: ToDevice
) -> list[_Group]:
    """One group per shared backbone, and one per other reward."""
    groups: list[tuple[list[int], list[RewardModel]]] = []
    for position, model in enumerate(models):
        home = next((g for g in groups if model and g[1] and share_a_backbone(g[1][0], model)), None)
        if home is None or model is None:
            groups.append(([position], [model] if model else []))
        else:
            home[0].append(position)
            home[1].append(model)
    return [_Group(positions, rewards[positions[0]], members, to_device) for positions, members in groups]


def _sum_name(rewards: Sequence[Reward], weights: Sequence[float]) -> str:
    """Such as "soft light + 0.5 sharp − grain"."""
    name = ""
    for reward, weight in zip(rewards, weights, strict=True):
        sign = (" − " if name else "−") if weight < 0 else (" + " if name else "")
        factor = "" if abs(weight) == 1 else f"{abs(weight):g} "
        term = f"({reward.name})" if isinstance(reward, CombinedReward) else reward.name
        name += f"{sign}{factor}{term}" if weight else ""
    return name
