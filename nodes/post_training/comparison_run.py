"""The work of Compare Models: the same prompts and seeds from both models, scored and compared."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from ...ganrm_core.post_training.comparison import Comparison, change_of, prompt_kept, win_rate
from ...ganrm_core.post_training.diversity import diversity_ratio
from ...ganrm_core.post_training.groups import Sampling
from ...ganrm_core.rewards.base import Reward
from ...ganrm_core.selection.non_finite import find_invalid, replace_invalid
from ...ganrm_core.utils.errors import DataError
from ...ganrm_core.utils.progress import Progress, ProgressCallback, span_of
from ...ganrm_core.utils.time_left import Phase
from ..display.candidates import Latent
from ..display.ranked_sheets import thumbnail
from ..host.training.picture_features import picture_features
from ..host.training.prompt_fit import LEVELS, prompt_gains
from ..host.training.prompt_set import PromptSet
from ..host.training.rollouts import Rollouts, decoded

_AFTER, _BEFORE, _PROMPTS, _JUDGING = "sampling after", "sampling before", "checking the prompts", "judging"
_THUMBNAIL = 384
_SEEDS = 2**64


@dataclass(frozen=True)
class Contest:
    """What is compared, and how: `pictures` of each prompt from either model."""

    before: Any
    after: Any
    prompts: PromptSet
    vae: Any
    reward: Reward
    judge: Reward | None
    sampling: Sampling
    latent: Latent
    seed: int
    pictures: int

    def seeds(self, prompt: int) -> list[int]:
        """Other seeds for every prompt: what they have in common by chance must not count once for each."""
        first = self.seed + prompt * self.pictures
        return [(first + number) % _SEEDS for number in range(self.pictures)]

    def phases(self) -> list[Phase]:
        """The stages of the work, weighed by calls of the model."""
        count = len(self.prompts) * self.pictures
        sampling = count * self.sampling.steps * 0.1
        return [
            Phase(_AFTER, sampling, "backbone"),
            Phase(_BEFORE, sampling, "backbone"),
            Phase(_PROMPTS, 2 * count * len(LEVELS) * 0.1, "backbone"),
            Phase(_JUDGING, 2 * count * 0.2, "fit"),
        ]


@dataclass
class Side:
    """All pictures of one model; every list has one entry per prompt, of as many pictures. NaN where spoilt."""

    latents: list[Tensor] = field(default_factory=list)
    gains: list[Tensor] = field(default_factory=list)
    logits: list[Tensor] = field(default_factory=list)
    scores: list[Tensor] = field(default_factory=list)
    judge_logits: list[Tensor] = field(default_factory=list)
    judge_scores: list[Tensor] = field(default_factory=list)
    features: list[Tensor] = field(default_factory=list)
    thumbnails: list[Tensor] = field(default_factory=list)
    spoilt: int = 0


def compare(contest: Contest, progress: ProgressCallback) -> tuple[Comparison, Side, Side]:
    """The comparison, and the pictures before and after. Raises DataError where both models make the same."""
    before, after = Side(), Side()
    _check_one_pair(contest, progress)
    # All of one model, then all of the other: each change of the LoRA patches the weights anew.
    _sample(contest, contest.after, after, _AFTER, progress)
    _sample(contest, contest.before, before, _BEFORE, progress)
    _measure_prompts(contest, (before, after), progress)
    _judge(contest, (before, after), progress)
    return _compared(contest, before, after), before, after


def _sample(
    contest: Contest,
    model: Any,
    side: Side,
    stage: str,
    progress: ProgressCallback,
) -> None:
    rollouts = Rollouts(model, contest.prompts, contest.sampling, contest.latent)
    for prompt, part in _parts(contest, stage, contest.pictures * contest.sampling.steps, progress):
        side.latents.append(rollouts.sample(prompt, contest.seeds(prompt), part))


def _check_one_pair(contest: Contest, progress: ProgressCallback) -> None:
    """Raise DataError where both models make the same first picture, or none alike: before hours of sampling."""
    before, after = (
        Rollouts(model, contest.prompts, contest.sampling, contest.latent).sample(
            0, contest.seeds(0)[:1], span_of(progress, _AFTER, 0, 1, 1000)
        )
        for model in (contest.before, contest.after)
    )
    if before.shape != after.shape:
        raise DataError(
            f"The two models make latents of different kinds, {_shape(before)} before and {_shape(after)} after. "
            "Connect the same model twice, with the LoRA loaded into the second."
        )
    if torch.equal(before, after):
        raise DataError(
            "Both models make the very same pictures, so there is nothing to compare. Load the LoRA into 'after', with "
            "a strength other than 0; if it is loaded, it does not fit this model."
        )


def _shape(latents: Tensor) -> str:
    return " × ".join(map(str, latents.shape[1:]))


def _measure_prompts(contest: Contest, sides: Sequence[Side], progress: ProgressCallback) -> None:
    """Always with the model before: a judge that was trained as well would agree with itself."""
    steps = len(LEVELS) * len(sides)
    for prompt, part in _parts(contest, _PROMPTS, steps, progress):
        done = _Counter(part, steps * contest.pictures)
        for side in sides:
            side.gains.append(
                prompt_gains(
                    contest.before, contest.prompts, prompt, side.latents[prompt], contest.seeds(prompt), done
                )
            )


def _judge(contest: Contest, sides: Sequence[Side], progress: ProgressCallback) -> None:
    for prompt, part in _parts(contest, _JUDGING, 2 * len(sides), progress):
        for number, side in enumerate(sides):
            part(Progress(_JUDGING, 2 * number, 2 * len(sides)))
            pictures = decoded(contest.vae, side.latents[prompt])
            half = span_of(part, _JUDGING, 2 * number + 1, 2 * number + 2, 2 * len(sides))
            _score(contest, side, pictures, contest.prompts.texts[prompt], half)


def _score(contest: Contest, side: Side, pictures: Tensor, text: str, progress: ProgressCallback) -> None:
    invalid = find_invalid(pictures)
    usable = replace_invalid(pictures, invalid)
    spoilt = torch.tensor([position in invalid for position in range(len(usable))])
    texts = [text] * len(usable)

    def marked(values: Tensor) -> Tensor:
        rows = spoilt.view(-1, *[1] * (values.ndim - 1))
        return values.float().cpu().masked_fill(rows, torch.nan)

    scores = contest.reward.score(usable, texts, progress)
    side.logits.append(marked(scores.logit))
    side.scores.append(marked(scores.score))
    if contest.judge is not None:
        judged = contest.judge.score(usable, texts, progress)
        side.judge_logits.append(marked(judged.logit))
        side.judge_scores.append(marked(judged.score))
    side.features.append(marked(picture_features(contest.reward, usable)))
    side.thumbnails += [thumbnail(picture, _THUMBNAIL) for picture in pictures]
    side.spoilt += len(invalid)


def _compared(contest: Contest, before: Side, after: Side) -> Comparison:
    def rows(parts: Sequence[Tensor]) -> Any:
        return torch.stack(list(parts)).double().numpy()

    logits = rows(before.logits), rows(after.logits)
    known = torch.isfinite(torch.stack(before.logits)) & torch.isfinite(torch.stack(after.logits))
    judge = None
    if contest.judge is not None:
        judge = change_of(
            (rows(before.judge_logits), rows(before.judge_scores)),
            (rows(after.judge_logits), rows(after.judge_scores)),
        )
    return Comparison(
        pairs=int(known.sum()),
        prompts=len(contest.prompts),
        wins=win_rate(*logits),
        reward=change_of((logits[0], rows(before.scores)), (logits[1], rows(after.scores))),
        judge=judge,
        diversity=diversity_ratio(before.features, after.features),
        prompt_kept=prompt_kept(rows(before.gains), rows(after.gains)),
        spoilt=(before.spoilt, after.spoilt),
    )


def _parts(
    contest: Contest, stage: str, units: int, progress: ProgressCallback
) -> Iterator[tuple[int, ProgressCallback]]:
    """The number of each prompt, and the callback of its part of the stage, which has `units` of work."""
    count = len(contest.prompts)
    for prompt in range(count):
        yield prompt, span_of(progress, stage, prompt * units, (prompt + 1) * units, count * units)
    progress(Progress(stage, count * units, count * units))


class _Counter:
    """Counts calls towards `total`."""

    def __init__(self, progress: ProgressCallback, total: int) -> None:
        self._progress, self._total, self._done = progress, total, 0

    def __call__(self) -> None:
        self._progress(Progress("", min(self._done, self._total), self._total))
        self._done += 1
