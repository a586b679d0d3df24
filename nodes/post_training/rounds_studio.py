"""Where a training in rounds samples, decodes and judges: ComfyUI's own sampler, the VAE, the taste and a judge."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ...ganrm_core.post_training.studio import Judged
from ...ganrm_core.rewards.base import Reward
from ...ganrm_core.selection.non_finite import find_invalid, replace_invalid
from ...ganrm_core.utils.progress import Progress
from ..display.ranked_sheets import thumbnail
from ..host.model_management import model_of
from ..host.training.picture_features import features_of_places, picture_features
from ..host.training.rollouts import Rollouts, decoded

if TYPE_CHECKING:
    from ..host.training.denoiser import HostDenoiser

_TOGETHER = 8
THUMBNAIL = 512
SEEN = 4


class HostStudio:
    """Follows the `Studio` protocol. `report` is called often with how many groups were sampled so far, and cancels by raising.

    `seen`: small pictures [3, H, W] uint8 of the first few of each prompt that were judged last.
    """

    def __init__(
        self,
        denoiser: HostDenoiser,
        rollouts: Rollouts,
        vae: Any,
        rewards: tuple[Reward, Reward | None],
        texts: Sequence[str],
        *,
        patches: bool = False,
    ) -> None:
        """`rewards`: the taste, and a judge or None. `texts`: the prompts by number. `patches`: judge every place too."""
        self._denoiser, self._rollouts, self._vae = denoiser, rollouts, vae
        self._reward, self._judge = rewards
        self._texts, self._patches = texts, patches
        self._sampled = 0
        self.report: Callable[[float], None] = lambda _: None
        self.seen: dict[int, list[Tensor]] = {}

    @property
    def shape(self) -> torch.Size:
        """Of a batch of one sample's latents."""
        shape: torch.Size = self._rollouts.start.shape
        return shape

    def sample(self, prompt: int, seeds: Sequence[int]) -> Tensor:
        def stepped(step: Progress) -> None:
            self.report(self._sampled + step.done / max(step.total, 1))

        # Not in inference mode: what is loaded there cannot be trained through afterwards.
        with torch.no_grad():
            latents = self._rollouts.sample(prompt, seeds, stepped)
            self._sampled += 1
            return self._denoiser.to_model_scale(latents).cpu()

    def judge(self, prompt: int, latents: Tensor, *, watched: bool = False) -> Judged:
        self.seen[prompt] = []
        parts = []
        with torch.no_grad():
            for part in self._denoiser.from_model_scale(latents).split(_TOGETHER):
                parts.append(self.judge_pictures(prompt, decoded(self._vae, part), watched=watched))
                self.report(self._sampled)
        return Judged.joined(parts)

    def judge_pictures(self, prompt: int, pictures: Tensor, *, watched: bool = False) -> Judged:
        """`pictures` [N, H, W, 3] in 0–1; NaN for those with pixels that are not finite. `watched` as in `Studio`."""
        spoilt = find_invalid(pictures)
        usable = replace_invalid(pictures, spoilt)
        known = self.seen.setdefault(prompt, [])
        known += [thumbnail(each, THUMBNAIL) for each in usable[: SEEN - len(known)]]
        features = picture_features(self._reward, usable)
        model, texts = model_of(self._reward), [self._texts[prompt]] * len(usable)
        scores = model.score_features(features) if model else self._reward.score(usable, texts)
        judged = self._judge.score(usable, texts).logit if self._judge and watched else None
        places = features_of_places(self._reward, usable) if self._patches else None
        lost = torch.tensor([place in spoilt for place in range(len(usable))])
        return Judged(
            _marked(scores.logit, lost),
            _marked(features, lost),
            None if judged is None else _marked(judged, lost),
            None if places is None else _marked(places, lost),
        )


def _marked(values: Tensor, lost: Tensor) -> Tensor:
    with torch.inference_mode(False):  # such features may be trained on
        rows = lost.view(-1, *[1] * (values.ndim - 1))
        return values.float().cpu().clone().masked_fill(rows, torch.nan)
