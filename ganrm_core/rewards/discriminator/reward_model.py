"""GAN-RM reward model: frozen backbone → feature vector → Reward Projection Layer → logit → calibrated score."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ...backbones.base import Backbone
from ...data.border_trim import BorderTrim
from ...data.skipped_files import Skipped
from ...data.transforms import RESIZE, resize
from ...utils.files import shown
from ...utils.logs import logger_of
from ...utils.progress import Progress, ProgressCallback, no_progress
from ..base import Images, Picture, Scores, all_unreadable_named, each_of, joined, opened
from .backbone_match import FindBackbone, find_backbone, matching_backbone
from .card_fields import finite_number, section
from .checkpoint import Checkpoint, load_checkpoint, save_checkpoint, to_bytes
from .feature_cache import FeatureCache
from .feature_extractor import FeatureExtractor
from .file_features import stream_features
from .lora_adapter import Adapter
from .model_parts import ADAPTER_PREFIX, HEAD_PREFIX, CalibratedHead, merged_adapter, read_parts

_log = logger_of(__name__)


class RewardModel:
    """A trained discriminator of liked against ordinary pictures. Follows the `Reward` protocol.

    `card` is the checkpoint's JSON object: thresholds, held-out metrics, provenance (docs/checkpoint-format.md).
    `adapter` must already be merged into `backbone`. `reader` extracts the features that the head takes.
    """

    def __init__(
        self,
        backbone: Backbone,
        head: CalibratedHead,
        *,
        card: Mapping[str, Any],
        adapter: Adapter | None = None,
        name: str = "untitled",
        border_trim: BorderTrim | None = None,
    ) -> None:
        self.backbone = backbone
        self.layer = head.layer.cpu()
        self.calibration = head.calibration
        self.card = dict(card)
        self.adapter = adapter
        self.border_trim = border_trim or BorderTrim()
        self._name = name
        self.reader = FeatureExtractor(backbone, head.readout)

    @property
    def name(self) -> str:
        return self._name

    @property
    def thresholds(self) -> Mapping[str, float]:
        """`balanced`: best balanced accuracy; `fpr_5`: reached by 5 % of ordinary pictures."""
        found = {name: finite_number(value) for name, value in section(self.card, "thresholds").items()}
        return {name: value for name, value in found.items() if value is not None}

    @property
    def needs_prompt(self) -> bool:
        return False

    def score(
        self,
        images: Images,
        prompts: Sequence[str] | None = None,
        progress: ProgressCallback = no_progress,
    ) -> Scores:
        """Score pictures: a float tensor [B, H, W, C] or [B, C, H, W] in 0–1, a list of such, or paths.

        A picture's score does not depend on the others. `prompts` are ignored. `progress` is called after every
        group. Raises ImageError for pixels out of range, and one that names every file that cannot be read, since
        each picture needs an entry; `score_files` skips such files.
        """
        del prompts

        def scored(some: Sequence[Picture]) -> Scores:
            return self.score_features(
                self.reader(torch.stack([self.prepare(opened(each)) for each in some]))
            )

        pictures = each_of(images)
        progress(Progress("scoring", 0, len(pictures)))
        parts: list[Scores] = []
        with all_unreadable_named(pictures):
            for part in self.reader.in_groups(pictures, scored):
                parts.append(part)
                progress(Progress("scoring", sum(map(len, parts)), len(pictures)))
        return joined(parts)

    def score_files(
        self, paths: Sequence[Path], skipped: list[Skipped], prompts: Sequence[str] | None = None
    ) -> Iterator[tuple[Path, Scores]]:
        """Score files one by one, in order, decoding ahead; memory does not grow with their number.

        Files that cannot be read are added to `skipped` and left out. `prompts` are ignored. Features are cached
        (`disk_cache.keep_in`).
        """
        del prompts
        store = FeatureCache(self.reader, self.border_trim, self.adapter)
        for found, features in stream_features(paths, self.reader, self.prepare, store, skipped):
            scores = self.score_features(features)
            for position, path in enumerate(found):
                yield path, scores.of(position)

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
        """Write a checkpoint. Raises OutputError where `path` exists or cannot be written."""
        save_checkpoint(self.checkpoint(), Path(path), overwrite=overwrite)

    def to_bytes(self) -> bytes:
        """The content of the file that `save` writes."""
        return to_bytes(self.checkpoint())

    def checkpoint(self) -> Checkpoint:
        """Tensors and card from which `load` rebuilds the model, given its backbone."""
        tensors = {f"{HEAD_PREFIX}{name}": tensor for name, tensor in self.layer.state_dict().items()}
        if self.adapter is not None:
            tensors |= {f"{ADAPTER_PREFIX}{name}": tensor for name, tensor in self.adapter.tensors.items()}
        second_look = self.reader.readout.second_look
        card = {
            **self.card,
            "backbone": self.backbone.spec.to_json(),
            "adapter": self.adapter.settings() if self.adapter else None,
            "taps": list(self.reader.readout.taps),
            "second_look": second_look.to_json() if second_look else None,
            "histograms": list(self.reader.readout.histograms),
            "head": self.layer.kind,
            "calibration": {"temperature": self.calibration.temperature, "bias": self.calibration.bias},
            "preprocessing": {
                "resize": RESIZE,
                "filter": "bicubic, antialiased",
                "transparency": "over mid-grey",
                **self.border_trim.to_json(),
            },
            "scoring": {"precision": "float32"},
        }
        return Checkpoint(tensors, card)

    @classmethod
    def load(
        cls,
        path: str | os.PathLike[str],
        *,
        backbone: str | None = None,
        search_folders: Sequence[Path] = (),
        device: torch.device | str = "cpu",
        offline: bool = False,
        name: str = "",
    ) -> RewardModel:
        """Read a checkpoint and the backbone it was trained on.

        The backbone's weights are searched by the name in the checkpoint, in `search_folders` and the checkpoint's
        own folder, ignoring any folder in that name; `backbone` overrides the name (as `load_backbone` takes it).
        With `offline` nothing is downloaded. `name` is the model's, the file's stem by default.

        Raises CheckpointError for a file that cannot be used, BackboneError for weights that are absent or differ
        from those trained on.
        """
        folders = (*search_folders, Path(path).parent)
        return cls.load_with(
            path, lambda spec: find_backbone(spec, backbone, folders, offline), device=device, name=name
        )

    @classmethod
    def load_with(
        cls,
        path: str | os.PathLike[str],
        find: FindBackbone,
        *,
        device: torch.device | str = "cpu",
        name: str = "",
    ) -> RewardModel:
        """As `load`, with a backbone that `find` returns for the spec in the checkpoint.

        Its weights are verified; a LoRA adapter is merged into it in place.
        """
        path = Path(path)
        checkpoint = load_checkpoint(path)
        with torch.inference_mode(False):
            spec, head, border_trim = read_parts(checkpoint, path)
            backbone = matching_backbone(path, spec, find)
            adapter = merged_adapter(checkpoint, backbone, path)
            backbone.to(device)
        _log.info("loaded the reward model %s with %s on %s", shown(path), spec.name, device)
        return cls(
            backbone,
            head,
            card=checkpoint.card,
            adapter=adapter,
            name=name or path.stem,
            border_trim=border_trim,
        )

    def prepare(self, image: Tensor) -> Tensor:
        """One picture, float [3, H, W] in 0–1 on any device → the extractor's input [3, S, S] on the CPU."""
        # On the CPU, as in training: bicubic filters differ between devices, and MPS may have none.
        return resize(self.border_trim(image.to("cpu", torch.float32)), self.backbone.spec.input_size)

    def score_features(self, features: Tensor) -> Scores:
        """Scores of feature vectors [B, width] from `reader`, on any device."""
        with torch.inference_mode():
            # The head stays on the CPU: it is tiny, and a host may move the backbone at any time.
            logits, spread = self.layer(features.cpu())
        scores = torch.from_numpy(self.calibration.scores(logits.numpy())).float()
        # Cloned outside inference mode: autograd refuses inference tensors.
        return Scores(logits.clone(), scores, spread.clone())
