"""Several tastes as one: a weighted mean of what each makes of a picture, in log-odds."""

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
from .base import Images, Reward, Scores, how_many
from .discriminator.reward_model import RewardModel
from .shared_backbone import SharedScoring, share_a_backbone

ModelOf = Callable[[Reward], RewardModel | None]
Bring = Callable[[Reward, int], None]

_HIGHEST = 1 - 2.0**-24  # the largest float32 below 1: a saturated score must not give infinite log-odds


def model_itself(reward: Reward) -> RewardModel | None:
    """The reward model that a reward is; None for any other kind."""
    return reward if isinstance(reward, RewardModel) else None


def nothing_to_bring(reward: Reward, pictures: int) -> None:
    """For backbones that are where they run."""
    del reward, pictures


class CombinedReward:
    """Rewards that judge together. Follows the `Reward` protocol.

    With l the log-odds of each (logit / temperature + bias, so that its score is sigmoid(l)) and u its
    uncertainty in log-odds (uncertainty / temperature),

        logit = Σ w·l / Σ |w|      score = sigmoid(logit)      uncertainty = √(Σ (w·u)²) / Σ |w|

    the logarithmic opinion pool (Genest & Zidek 1986): where all agree on a score, that is the score,
    whatever the weights. A negative weight asks for less of what that reward likes. Uncertainties add up
    as those of models trained on pictures of their own do; the same model twice seems surer than it is.

    Reward models on the same backbone run it once for each picture. Of a reward that is no model only the
    score can be trusted: its log-odds are that score's, and its uncertainty is taken to be in log-odds.
    """

    def __init__(
        self,
        rewards: Sequence[Reward],
        weights: Sequence[float] | None = None,
        *,
        name: str = "",
        model_of: ModelOf = model_itself,
        bring: Bring = nothing_to_bring,
    ) -> None:
        """`weights`: one per reward, finite and not all 0; by default they weigh the same.

        A reward of weight 0 is never asked. Combined rewards among `rewards` are taken apart. Without a
        `name` the sum itself is it. A host that wraps its models gives `model_of`, which finds the model
        in a reward, and `bring`, called with a reward and a number of pictures before the backbone of
        that reward runs for several. Raises DataError for weights that cannot be used.
        """
        given = [1.0] * len(rewards) if weights is None else [float(weight) for weight in weights]
        parts = _parts(rewards, given)
        total = sum(abs(weight) for _, weight in parts)
        self.rewards = tuple(reward for reward, _ in parts)
        """The rewards that are asked; none of them is a combined one."""
        self.shares = tuple(weight / total for _, weight in parts)
        """How much each counts, with its sign; without it they sum to 1."""
        self._name = name.strip() or _sum_in_words(rewards, given)
        models = [model_of(reward) for reward in self.rewards]
        self._calibrations = [model.calibration if model else None for model in models]
        self._groups = _grouped(self.rewards, models, bring)

    @property
    def name(self) -> str:
        return self._name

    @property
    def thresholds(self) -> Mapping[str, float]:
        """`balanced`: the score of a picture that stands at the `balanced` threshold of every part.

        Derived, not measured: nobody has said which pictures the parts like together. Empty where a part
        has no such threshold.
        """
        each = [reward.thresholds.get("balanced") for reward in self.rewards]
        known = torch.tensor([value for value in each if value is not None], dtype=torch.float64)
        if len(known) < len(each):
            return {}
        odds = (torch.tensor(self.shares, dtype=torch.float64) * _log_odds(known)).sum()
        return {"balanced": float(torch.sigmoid(odds))}

    @property
    def shared(self) -> list[list[Reward]]:
        """The rewards whose backbone runs once for all of them, in one list for each such backbone."""
        groups = [[self.rewards[position] for position in group.positions] for group in self._groups]
        return [group for group in groups if len(group) > 1]

    def score(
        self,
        images: Images,
        prompts: Sequence[str] | None = None,
        progress: ProgressCallback = no_progress,
    ) -> Scores:
        """Score pictures as every `Reward` does. `prompts` reach those parts that are no reward models."""
        found: dict[int, Scores] = {}
        for number, group in enumerate(self._groups):
            found |= group.score(images, prompts, part_of(progress, number, len(self._groups)))
        return self._combined(found)

    def score_files(self, paths: Sequence[Path], skipped: list[Skipped]) -> Iterator[tuple[Path, Scores]]:
        """Score files one by one, in order. A file that any part cannot read is left out, and in `skipped`."""
        with ExitStack() as stack:
            streams = [_Stream(group, paths) for group in self._groups]
            for stream in streams:
                stack.callback(stream.close)  # which ends the threads that decode ahead
            for path in paths:
                taken = [stream.take(path) for stream in streams]
                found = {position: scores for part in taken for position, scores in (part or {}).items()}
                if len(found) == len(self.rewards):
                    yield path, self._combined(found)
                else:
                    missing = next(s for s, part in zip(streams, taken, strict=True) if part is None)
                    skipped.append(missing.why_skipped(path))

    def _combined(self, found: Mapping[int, Scores]) -> Scores:
        logit = torch.zeros(len(found[0]), dtype=torch.float64)
        variance = torch.zeros_like(logit)
        for position, (share, calibration) in enumerate(zip(self.shares, self._calibrations, strict=True)):
            odds, uncertainty = _in_log_odds(found[position], calibration)
            logit += share * odds
            variance += (share * uncertainty).square()
        return Scores(logit.float(), torch.sigmoid(logit).float(), variance.sqrt().float())


class _Group:
    """Rewards that are scored together, by their positions among all."""

    def __init__(
        self, positions: list[int], reward: Reward, models: Sequence[RewardModel], bring: Bring
    ) -> None:
        """`reward` is the first of them; `models` are all of them, where there are several."""
        self.positions = positions
        self._reward, self._bring = reward, bring
        self._shared = SharedScoring(models) if len(models) > 1 else None

    def score(
        self, images: Images, prompts: Sequence[str] | None, progress: ProgressCallback
    ) -> dict[int, Scores]:
        if self._shared is None:
            return {self.positions[0]: self._reward.score(images, prompts, progress)}
        self._bring(self._reward, how_many(images))
        return dict(zip(self.positions, self._shared.score(images, progress), strict=True))

    def score_files(
        self, paths: Sequence[Path], skipped: list[Skipped]
    ) -> Iterator[tuple[Path, dict[int, Scores]]]:
        if self._shared is None:
            for path, scores in self._reward.score_files(paths, skipped):
                yield path, {self.positions[0]: scores}
            return
        self._bring(self._reward, len(paths))
        for path, of_each in self._shared.score_files(paths, skipped):
            yield path, dict(zip(self.positions, of_each, strict=True))


class _Stream:
    """A group's scores of files, asked for file by file."""

    def __init__(self, group: _Group, paths: Sequence[Path]) -> None:
        self._skipped: list[Skipped] = []
        self._scored = group.score_files(paths, self._skipped)
        self._ahead: tuple[Path, dict[int, Scores]] | None = None

    def take(self, path: Path) -> dict[int, Scores] | None:
        """The scores of `path` if it is the next file that was scored; else it was skipped."""
        self._ahead = self._ahead or next(self._scored, None)
        if self._ahead is None or self._ahead[0] != path:
            return None
        scores, self._ahead = self._ahead[1], None
        return scores

    def why_skipped(self, path: Path) -> Skipped:
        # From the end: files are asked for in order, so the newest entries are the likely ones.
        silent = Skipped(path, "it was given no score")
        return next((entry for entry in reversed(self._skipped) if entry.path == path), silent)

    def close(self) -> None:
        close = getattr(self._scored, "close", lambda: None)
        close()


def _parts(rewards: Sequence[Reward], weights: Sequence[float]) -> list[tuple[Reward, float]]:
    """Every single reward with its weight; combined ones taken apart, those of weight 0 left out."""
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


def _grouped(rewards: Sequence[Reward], models: Sequence[RewardModel | None], bring: Bring) -> list[_Group]:
    groups: list[tuple[list[int], list[RewardModel]]] = []
    for position, model in enumerate(models):
        home = next((g for g in groups if model and g[1] and share_a_backbone(g[1][0], model)), None)
        if home is None or model is None:
            groups.append(([position], [model] if model else []))
        else:
            home[0].append(position)
            home[1].append(model)
    return [_Group(positions, rewards[positions[0]], members, bring) for positions, members in groups]


def _in_log_odds(scores: Scores, calibration: Calibration | None) -> tuple[Tensor, Tensor]:
    """The log-odds of each picture, and the uncertainty of these."""
    if calibration is None:
        return _log_odds(scores.score.double()), scores.uncertainty.double()
    # Not through the score, which is 1.0 for everything that is liked very much.
    odds = scores.logit.double() / calibration.temperature + calibration.bias
    return odds, scores.uncertainty.double() / calibration.temperature


def _log_odds(score: Tensor) -> Tensor:
    return torch.logit(score.clamp(1 - _HIGHEST, _HIGHEST))


def _sum_in_words(rewards: Sequence[Reward], weights: Sequence[float]) -> str:
    """Such as "soft light + 0.5 sharp − grain"."""
    words = ""
    for reward, weight in zip(rewards, weights, strict=True):
        sign = (" − " if words else "−") if weight < 0 else (" + " if words else "")
        factor = "" if abs(weight) == 1 else f"{abs(weight):g} "
        name = f"({reward.name})" if isinstance(reward, CombinedReward) else reward.name
        words += f"{sign}{factor}{name}" if weight else ""
    return words
