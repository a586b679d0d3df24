"""Aesthetic predictors: a linear head on the normalised image embedding of a frozen CLIP or SigLIP. They read no prompt.

Both heads are chains of linear layers without activations, trained with dropout between them:
score = L5(L4(L3(L2(L1(e / |e|))))), about 1 to 10.

LAION aesthetic predictor v2 (sac+logos+ava1-l14-linearMSE.pth): on OpenAI's CLIP ViT-L/14. Apache-2.0
    (christophschuhmann/improved-aesthetic-predictor); CLIP: MIT. 3.7 MB and 0.6 to 1.7 GB.
Aesthetic predictor v2.5 (aesthetic_predictor_v2_5.pth): on Google's SigLIP so400m/14 at 384. AGPL-3.0
    (discus0434/aesthetic-predictor-v2-5); SigLIP: Apache-2.0. 5.3 MB and 0.9 to 1.7 GB.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from ...backbones.base import Backbone
from ...backbones.registry import load_backbone
from ...backbones.vit import VitBackbone
from ...utils.errors import BackboneError
from ...utils.files import shown
from ...utils.safetensors_shapes import shapes_of
from ..local_weights import load_exactly, tensors_of, weights_files
from ..network_reward import Identity, NetworkReward, PublishedScale
from ..picture_transform import Fit, PictureTransform

_WIDTHS = (1024, 128, 64, 16, 1)


@dataclass(frozen=True)
class Predictor:
    """What tells the two predictors apart.

    `prefix` and `places` are the names of the head's layers in its file. `encoder` says which encoder it needs: its
    embeddings are of `width`, its pictures of `size`, and one of its parameters has `part` in its name. `shapes` are
    tensors by which its file is recognised, in each naming that is in use.
    """

    name: str
    kind: str
    prefix: str
    places: tuple[int, ...]
    width: int
    size: int
    part: str
    encoder: str
    fit: Fit
    scale: PublishedScale
    shapes: tuple[Mapping[str, tuple[int, ...]], ...] = ()

    def recognises(self, path: Path) -> bool:
        """Whether a safetensors file holds the encoder, by the shapes of its tensors."""
        found = shapes_of(path)
        return any(all(found.get(name) == shape for name, shape in each.items()) for each in self.shapes)


LAION_V2 = Predictor(
    name="LAION aesthetic v2",
    kind="laion_aesthetic_v2",
    prefix="layers.",
    places=(0, 2, 4, 6, 7),
    width=768,
    size=224,
    part="visual_projection",
    encoder="OpenAI's CLIP ViT-L/14 with its projection (clip-vit-large-patch14)",
    fit="crop, rounded",
    # Chosen by LAION's own cuts (laion.ai/blog/laion-aesthetics): 5 keeps the better pictures, 6.5 the best 0.03 %.
    scale=PublishedScale(5.0, 0.75),
    shapes=(
        {
            "visual_projection.weight": (768, 1024),
            "vision_model.embeddings.position_embedding.weight": (257, 1024),
        },
        {"visual.proj": (1024, 768), "visual.positional_embedding": (257, 1024)},
    ),
)
V2_5 = Predictor(
    name="Aesthetic predictor v2.5",
    kind="aesthetic_v2_5",
    prefix="scoring_head.",
    places=(0, 2, 4, 6, 8),
    width=1152,
    size=384,
    part="head.probe",
    encoder="Google's SigLIP so400m/14 at 384 (sigclip_vision_patch14_384)",
    fit="squash",
    # Chosen: its author calls 5.5 and more a great aesthetic score.
    scale=PublishedScale(5.0, 0.5),
    shapes=(
        {
            "vision_model.head.probe": (1, 1, 1152),
            "vision_model.embeddings.position_embedding.weight": (729, 1152),
        },
    ),
)


class AestheticPredictor(NetworkReward):
    """Follows the `Reward` protocol; see the module for formula and sources."""

    def __init__(self, network: AestheticNetwork, predictor: Predictor, files: tuple[Path, ...]) -> None:
        super().__init__(network, Identity(predictor.name, predictor.kind, files), predictor.scale)
        self._network = network
        spec = network.encoder.spec
        self._transform = PictureTransform(spec.input_size, spec.mean, spec.std, predictor.fit)

    @property
    def bytes_per_picture(self) -> int:
        return self._network.encoder.bytes_per_picture

    def prepare(self, image: Tensor) -> Tensor:
        return self._transform(image)

    def published(self, pixels: Tensor, prompt: Tensor | None) -> Tensor:
        del prompt
        score: Tensor = self._network(pixels)
        return score


class AestheticNetwork(nn.Module):
    """Encoder and head: pictures [B, 3, S, S] → scores [B]."""

    def __init__(self, encoder: VitBackbone, head: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = head

    def forward(self, pixels: Tensor) -> Tensor:
        score: Tensor = self.head(normalize(self.encoder.embedding(pixels), dim=-1)).squeeze(-1)
        return score


def load_predictor(predictor: Predictor, head_file: Path, encoder: Path) -> AestheticPredictor:
    """Load a predictor from its head's file and its vision encoder: a file as in models/clip_vision, or a
    `transformers` folder. Raises BackboneError.
    """
    kind = "transformers" if encoder.is_dir() else "file"
    with torch.inference_mode(False), torch.no_grad():
        loaded = load_backbone(f"{kind}:{encoder}", offline=True)
        if not isinstance(loaded, VitBackbone) or not _fits(loaded, predictor):
            raise BackboneError(
                f"{shown(encoder)} is another vision model than {predictor.name} was made for: choose {predictor.encoder}."
            )
        head = _head(predictor)
        load_exactly(head, tensors_of(head_file), head_file, f"the head of {predictor.name}")
        return AestheticPredictor(AestheticNetwork(loaded, head), predictor, (head_file, *_files(encoder)))


def _head(predictor: Predictor) -> nn.Module:
    layers: list[nn.Module] = [nn.Identity() for _ in range(predictor.places[-1] + 1)]
    width = predictor.width
    for place, next_width in zip(predictor.places, _WIDTHS, strict=True):
        layers[place] = nn.Linear(width, next_width)
        width = next_width
    return _Named(predictor.prefix.rstrip("."), nn.Sequential(*layers))


class _Named(nn.Module):
    """A module under a name of its own, as in the published file."""

    def __init__(self, name: str, inner: nn.Module) -> None:
        super().__init__()
        self._name = name
        self.add_module(name, inner)

    def forward(self, inputs: Tensor) -> Tensor:
        output: Tensor = self.get_submodule(self._name)(inputs)
        return output


def _fits(backbone: Backbone, predictor: Predictor) -> bool:
    spec = backbone.spec
    width = next(tap.width for tap in spec.taps if tap.name == spec.embedding)
    has_part = any(predictor.part in name for name, _ in backbone.named_parameters())
    return has_part and (width, spec.input_size) == (predictor.width, predictor.size)


def _files(encoder: Path) -> tuple[Path, ...]:
    return weights_files(encoder) if encoder.is_dir() else (encoder,)
