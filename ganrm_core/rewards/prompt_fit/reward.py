"""Prompt fit: how well a picture fits its prompt by a CLIP or SigLIP, as a cosine or by PickScore's formula.

With e and t the unit embeddings of picture and prompt:

    similarity   cos = e · t                              Radford et al. 2021, arXiv 2103.00020
    pickscore    exp(logit_scale) · cos (+ logit_bias)    Kirstain et al. 2023, arXiv 2305.01569; the bias is SigLIP's

Both rank the pictures of one prompt alike.
"""

from __future__ import annotations

from typing import Literal, get_args

from torch import Tensor

from ...utils.errors import DataError
from ..network_reward import Identity, NetworkReward, PublishedScale
from .image_text_pair import ImageTextPair

Formula = Literal["similarity", "pickscore"]

CLIP_SIMILARITY = PublishedScale(0.25, 0.05)
"""Chosen: LAION-400M and LAION-2B kept pairs above 0.28–0.3 by CLIP B/32 (arXiv 2210.08402); larger models give less."""
SIGLIP_SIMILARITY = PublishedScale(0.08, 0.04)
"""Chosen: SigLIP's own probability is near one half at a cosine of about 0.1 to 0.15 (scale 110 to 120, bias −16 to −12)."""
PICKSCORE_SCALE = PublishedScale(21.0, 1.0)
"""Spread 1: differences are log-odds of the preference in the training loss. Centre chosen: about that of Stable Diffusion
1.5's pictures by PickScore v1. It moves all scores alike and changes no ranking."""
PROBABILITY = PublishedScale(0.0, 1.0)
"""SigLIP's sigmoid loss makes scale · cos + bias log-odds already (Zhai et al. 2023, arXiv 2303.15343)."""

_ACTIVATIONS_PER_INPUT = 60


class PromptFit(NetworkReward):
    """Follows the `Reward` protocol; `network` is the pair of encoders."""

    needs_prompt = True
    network: ImageTextPair

    def __init__(
        self,
        pair: ImageTextPair,
        formula: Formula = "similarity",
        *,
        name: str = "prompt fit",
        kind: str = "",
        scale: PublishedScale | None = None,
    ) -> None:
        """`kind` tells judges on the same weights apart; `scale` is that of `scale_of` by default.

        Raises DataError for an unknown formula.
        """
        if formula not in get_args(Formula):
            raise DataError(f"There is no formula {formula!r}. Use one of: {', '.join(get_args(Formula))}.")
        identity = Identity(name, kind or f"prompt fit, {formula}", pair.files)
        super().__init__(pair, identity, scale or scale_of(pair, formula))
        self.formula = formula

    @property
    def bytes_per_picture(self) -> int:
        return 3 * self.network.transform.size**2 * 4 * _ACTIVATIONS_PER_INPUT

    def prepare(self, image: Tensor) -> Tensor:
        return self.network.transform(image)

    def read_prompt(self, prompt: str) -> Tensor:
        return self.network.text_embedding(prompt)

    def published(self, pixels: Tensor, prompt: Tensor | None) -> Tensor:
        assert prompt is not None
        cosine = self.network.cosine(pixels, prompt)
        if self.formula == "similarity":
            return cosine
        return self.network.scale * cosine + (self.network.bias or 0.0)


def scale_of(pair: ImageTextPair, formula: Formula) -> PublishedScale:
    """The scale from a formula's number to logits, for CLIP or SigLIP."""
    if formula == "similarity":
        return CLIP_SIMILARITY if pair.bias is None else SIGLIP_SIMILARITY
    return PICKSCORE_SCALE if pair.bias is None else PROBABILITY
