"""Reference pictures from a group itself: those that win most of their comparisons with the others."""

from __future__ import annotations

import math
from itertools import combinations

from ...utils.errors import DataError
from ...utils.progress import Progress, ProgressCallback, no_progress
from ..base import Images, checked_prompts, each_of, opened
from .chat_model import as_picture
from .reward import VisionLanguageReward

TOP = 2


def strongest_of_group(
    reward: VisionLanguageReward,
    images: Images,
    prompt: str = "",
    count: int = TOP,
    progress: ProgressCallback = no_progress,
) -> list[int]:
    """Positions of the `count` pictures of one prompt with the most wins, the best first.

    Every pair is compared in both orders: N (N − 1) questions for N pictures. Of equal wins the larger sum of log-odds
    counts, then the earlier place. A comparison without an answer is nobody's win. Raises DataError for fewer pictures
    than `count`, or where a prompt is needed and absent.
    """
    pictures = [as_picture(opened(each)) for each in each_of(images)]
    if len(pictures) < count:
        raise DataError(
            f"References are the best {count} pictures of the group, and it has {len(pictures)}. Give more pictures."
        )
    text = checked_prompts(reward.name, [prompt], 1)[0] if reward.needs_prompt else ""
    pairs = list(combinations(range(len(pictures)), 2))
    wins, sums = [0] * len(pictures), [0.0] * len(pictures)
    for done, (first, second) in enumerate(pairs):

        def step(done: int = done) -> None:
            progress(Progress("comparing", done, len(pairs)))

        logit = reward.compare(pictures[first], pictures[second], text, step).logit
        if math.isfinite(logit):
            better = second if logit > 0 else first
            wins[better] += int(logit != 0)
            sums[second] += logit
            sums[first] -= logit
    progress(Progress("comparing", len(pairs), len(pairs)))
    ranked = sorted(range(len(pictures)), key=lambda place: (-wins[place], -sums[place], place))
    return ranked[:count]
