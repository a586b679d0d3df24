"""PickScore v1 and HPS v2.1: CLIP ViT-H/14 fine-tuned on human preferences between pictures of one prompt.

PickScore v1 (a `transformers` folder, yuvalkirstain/PickScore_v1): exp(logit_scale) · cos, about 18 to 24. Code: MIT
    (yuvalkirstain/PickScore); the weights name no licence. 3.9 GB. Kirstain et al. 2023, arXiv 2305.01569.
HPS v2.1 (HPS_v2.1_compressed.pt, an OpenCLIP ViT-H-14 checkpoint): cos, about 0.15 to 0.35 (benchmarks print it times
    100). Apache-2.0 (tgxs002/HPSv2). 2 GB. Wu et al. 2023, arXiv 2306.09341. Pictures are padded to a square with
    black, as its authors do, so that nothing of them is cut off.
"""

from __future__ import annotations

from pathlib import Path

import torch

from ..network_reward import PublishedScale
from ..prompt_fit.open_clip_pair import OpenClipPair
from ..prompt_fit.reward import PICKSCORE_SCALE, PromptFit
from ..prompt_fit.transformers_pair import TransformersPair

HPS_SCALE = PublishedScale(0.28, 0.01)
"""Spread: the training's temperature 100 makes 100 · cos log-odds of the preference. Centre: half-way between Stable
Diffusion 1.4 (25.35) and SDXL Base 0.9 (30.63) in the authors' v2.1 benchmark."""


def load_pickscore(folder: Path) -> PromptFit:
    """PickScore from its `transformers` folder. Raises BackboneError."""
    with torch.inference_mode(False), torch.no_grad():
        pair = TransformersPair(folder)
    return PromptFit(pair, "pickscore", name="PickScore v1", kind="pickscore_v1", scale=PICKSCORE_SCALE)


def load_hps(path: Path, model: str = "ViT-H-14") -> PromptFit:
    """HPS v2.1 from its checkpoint; `model` is OpenCLIP's name of its architecture. Raises BackboneError."""
    with torch.inference_mode(False), torch.no_grad():
        pair = OpenClipPair(model, path, fit="pad")
    return PromptFit(pair, "similarity", name="HPS v2.1", kind="hps_v2_1", scale=HPS_SCALE)
