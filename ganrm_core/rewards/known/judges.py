"""The known judges: what each reads, which published file it needs, its licence, and how it is loaded."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from ...utils.errors import BackboneError
from ...utils.files import shown
from ..network_reward import NetworkReward
from .aesthetic import LAION_V2, V2_5, Predictor, load_predictor
from .image_reward import load_image_reward
from .preference_clip import load_hps, load_pickscore


@dataclass(frozen=True)
class Judge:
    """A published judge.

    `published` are names under which its file, or its `transformers` folder, is published; `source` is where. `predictor`
    is set for a judge that needs a vision encoder besides. `load` takes the file and that encoder.
    """

    name: str
    published: tuple[str, ...]
    source: str
    licence: str
    reads_prompt: bool
    load: Callable[[Path, Path | None], NetworkReward]
    predictor: Predictor | None = None

    def find(self, names: Iterable[str]) -> str | None:
        """The one of `names`, relative paths with forward slashes, that ends in a published name."""
        ends = {name.rpartition("/")[2].lower(): name for name in names}
        return next((ends[name.lower()] for name in self.published if name.lower() in ends), None)


def _aesthetic(predictor: Predictor) -> Callable[[Path, Path | None], NetworkReward]:
    def load(path: Path, encoder: Path | None) -> NetworkReward:
        if encoder is None:
            raise BackboneError(f"{predictor.name} needs a vision encoder besides: {predictor.encoder}.")
        return load_predictor(predictor, path, encoder)

    return load


def _pickscore(path: Path, _encoder: Path | None) -> NetworkReward:
    if not path.is_dir():
        raise BackboneError(
            f"{shown(path)} is one file, and PickScore v1 needs the whole folder as published: config.json, "
            "preprocessor_config.json, tokenizer and weights."
        )
    return load_pickscore(path)


JUDGES = (
    Judge(
        LAION_V2.name,
        ("sac+logos+ava1-l14-linearMSE.pth", "sac+logos+ava1-l14-linearMSE.safetensors"),
        "github.com/christophschuhmann/improved-aesthetic-predictor",
        "Apache-2.0; CLIP: MIT",
        False,
        _aesthetic(LAION_V2),
        LAION_V2,
    ),
    Judge(
        V2_5.name,
        ("aesthetic_predictor_v2_5.pth",),
        "github.com/discus0434/aesthetic-predictor-v2-5",
        "AGPL-3.0; SigLIP: Apache-2.0",
        False,
        _aesthetic(V2_5),
        V2_5,
    ),
    Judge(
        "PickScore v1",
        ("PickScore_v1",),
        "huggingface.co/yuvalkirstain/PickScore_v1",
        "code MIT; the weights name none",
        True,
        _pickscore,
    ),
    Judge(
        "HPS v2.1",
        ("HPS_v2.1_compressed.pt", "HPS_v2.1_compressed.safetensors"),
        "huggingface.co/xswu/HPSv2",
        "Apache-2.0",
        True,
        lambda path, _encoder: load_hps(path),
    ),
    Judge(
        "ImageReward",
        ("ImageReward.pt", "ImageReward.safetensors"),
        "huggingface.co/THUDM/ImageReward (with vocab.txt of bert-base-uncased beside it)",
        "Apache-2.0; BLIP: BSD-3-Clause",
        True,
        lambda path, _encoder: load_image_reward(path),
    ),
)


def judge_named(name: str) -> Judge:
    """The judge called `name`. Raises BackboneError for another name."""
    for judge in JUDGES:
        if judge.name == name:
            return judge
    raise BackboneError(
        f"There is no known judge {name!r}. Use one of: {', '.join(judge.name for judge in JUDGES)}."
    )
