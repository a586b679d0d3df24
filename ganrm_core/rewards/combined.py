"""Weighted combination of rewards: logarithmic opinion pool of their calibrated scores."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import torch
from torch import Tensor

from ..data.skipped_files import Skipped
from ..metrics.calibration import Calibration
from ..utils.errors import DataError
from ..utils.progress import ProgressCallback, no_progress, part_of
from .base import Images, Reward, Scores, how_many, needs_prompt, scored_files
from .discriminator.reward_model import RewardModel
from .shared_backbone import SharedScoring, share_a_backbone

ModelOf = Callable[[Reward], RewardModel | None]
"""The reward model that a host's wrapper holds."""
ToDevice = Callable[[Reward, int], None]
"""Puts the backbone of a reward on its device before it runs for a number of pictures."""

_HIGHEST = 1 - 2.0**-24  # the largest float32 below 1: a saturated score must not give infinite log-odds


def model_itself(reward: Reward) -> RewardModel | None:
    """`reward` where it is a reward model, else None."""
    return reward if isinstance(reward, RewardModel) else None


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

    Reward models on the same backbone run it once per picture. For a reward without a `calibration` l is the log-odds of
    its score, and u its uncertainty as it is.
    """

    def __init__(
        self,
        rewards: Sequence[Reward],
        weights: Sequence[float] | None = None,
        *,
        name: str = "",
        model_of: ModelOf = model_itself,
        to_device: ToDevice = stay_in_place,
    ) -> None:
        """`weights`: one per reward, finite and not all 0; equal by default.

        Rewards of weight 0 are left out, combined ones are flattened. The default `name` is the weighted sum in
        words. A host that wraps its models gives `model_of`, and `to_device`, called before a shared backbone runs.
        Raises DataError for unusable weights.
        """
        given = [1.0] * len(rewards) if weights is None else [float(weight) for weight in weights]
        parts = _parts(rewards, given)
        total = sum(abs(weight) for _, weight in parts)
        self.rewards = tuple(reward for reward, _ in parts)
        """The rewards that are scored; none is a combined one."""
        self.shares = tuple(weight / total for _, weight in parts)
        """Signed weights; their absolute values sum to 1."""
        self._name = name.strip() or _sum_name(rewards, given)
        models = [model_of(reward) for reward in self.rewards]
        self._calibrations: list[Calibration | None] = [
            getattr(model or reward, "calibration", None)
            for reward, model in zip(self.rewards, models, strict=True)
        ]
        self._groups = _grouped(self.rewards, models, to_device)

    @property
    def name(self) -> str:
        return self._name

    @property
    def thresholds(self) -> Mapping[str, float]:
        """`balanced`: the score of a picture at the `balanced` threshold of every part.

        Derived from the parts, not measured on labelled pictures. Empty where a part has no such threshold.
        """
        each = [reward.thresholds.get("balanced") for reward in self.rewards]
        known = torch.tensor([value for value in each if value is not None], dtype=torch.float64)
        if len(known) < len(each):
            return {}
        odds = (torch.tensor(self.shares, dtype=torch.float64) * _log_odds(known)).sum()
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
        logit = torch.zeros(len(found[0]), dtype=torch.float64)
        variance = torch.zeros_like(logit)
        for position, (share, calibration) in enumerate(zip(self.shares, self._calibrations, strict=True)):
            odds, uncertainty = _in_log_odds(found[position], calibration)
            logit += share * odds
            variance += (share * uncertainty).square()
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


def _parts(rewards: Sequence[Reward], weights: Sequence[float]) -> list[tuple[Reward, float]]:
    """Rewards with their weights: combined ones flattened, those of weight 0 left out."""
    if len(weights) != len(rewards):
        raise DataError(f"There are {len(rewards)} rewards but {len(weights)} weights. Give one for each.")
    parts: list[tuple[Reward, float]] = []
    for reward, weight in zip(rewards, weights, strict=True):
        if not math.isfinite(weight):
            raise DataError(f"The weight of {reward.name} is {weight}. Give a number such as 1 or -0.5.")
        if isinstance(reward, CombinedReward):
            parts += [(one, weight * share) for one, share in zip(reward.rewards, reward.shares, strict=True)]
        else:
            parts.append((reward, weight))
    parts = [(reward, weight) for reward, weight in parts if weight]
    check_some_count([weight for _, weight in parts])
    return parts


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


def _in_log_odds(scores: Scores, calibration: Calibration | None) -> tuple[Tensor, Tensor]:
    """Log-odds [B] of a reward's scores and their uncertainty, in float64."""
    if calibration is None:
        return _log_odds(scores.score.double()), scores.uncertainty.double()
    # Not from the score, which saturates at 1.0 in float32.
    odds = scores.logit.double() / calibration.temperature + calibration.bias
    return odds, scores.uncertainty.double() / calibration.temperature


def _log_odds(score: Tensor) -> Tensor:
    return torch.logit(score.clamp(1 - _HIGHEST, _HIGHEST))


def _sum_name(rewards: Sequence[Reward], weights: Sequence[float]) -> str:
    """Such as "soft light + 0.5 sharp − grain"."""
    name = ""
    for reward, weight in zip(rewards, weights, strict=True):
        sign = (" − " if name else "−") if weight < 0 else (" + " if name else "")
        factor = "" if abs(weight) == 1 else f"{abs(weight):g} "
        term = f"({reward.name})" if isinstance(reward, CombinedReward) else reward.name
        name += f"{sign}{factor}{term}" if weight else ""
    return name
