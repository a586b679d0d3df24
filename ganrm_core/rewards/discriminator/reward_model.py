"""The reward model: taps → Reward Projection Layer → logit → score."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ...backbones.base import Backbone, BackboneSpec, sha256_of_files
from ...backbones.registry import load_backbone
from ...backbones.weights_lookup import find_by_sha256, find_file, without_folder
from ...data.border_trim import BorderTrim
from ...data.skipped_files import Skipped
from ...data.transforms import RESIZE, resize
from ...metrics.calibration import Calibration
from ...utils.error_text import damage
from ...utils.errors import BackboneError, CheckpointError
from ...utils.files import shown
from ...utils.logs import logger_of
from ...utils.progress import Progress, ProgressCallback, no_progress
from ..base import Images, Picture, Scores, all_unreadable_named, each_of, joined, opened
from .card_text import figure, section
from .checkpoint import Checkpoint, load_checkpoint, save_checkpoint, to_bytes
from .feature_cache import FeatureCache
from .feature_extractor import FeatureExtractor
from .file_features import stream_features
from .heads import RewardProjectionLayer
from .lora_adapter import Adapter, merge_adapter
from .readout import Readout, SecondLook, takes_a_second_look

_log = logger_of(__name__)

_RPL = "rpl."
_ADAPTER = "adapter."
_LARGEST, _OVERFLOWS = 1e3, 1e30


class RewardModel:
    """A trained taste. Follows the `Reward` protocol.

    `card` is a JSON object of what is known about the model: thresholds, held-out metrics,
    provenance (see docs/checkpoint-format.md). An `adapter` must already be merged into `backbone`.
    `reader` runs the backbone for what the head reads.
    """

    def __init__(
        self,
        backbone: Backbone,
        readout: Readout,
        layer: RewardProjectionLayer,
        calibration: Calibration,
        *,
        card: Mapping[str, Any],
        adapter: Adapter | None = None,
        name: str = "untitled",
        pixel_path: BorderTrim | None = None,
    ) -> None:
        self.backbone = backbone
        self.layer = layer.cpu()
        self.calibration = calibration
        self.card = dict(card)
        self.adapter = adapter
        self.pixel_path = pixel_path or BorderTrim()
        self._name = name
        self.reader = FeatureExtractor(backbone, readout)

    @property
    def name(self) -> str:
        return self._name

    @property
    def thresholds(self) -> Mapping[str, float]:
        """`balanced`: best balanced accuracy; `fpr_5`: reached by 5 % of ordinary pictures."""
        found = {name: figure(value) for name, value in section(self.card, "thresholds").items()}
        return {name: value for name, value in found.items() if value is not None}

    def score(
        self,
        images: Images,
        prompts: Sequence[str] | None = None,
        progress: ProgressCallback = no_progress,
    ) -> Scores:
        """Score pictures: a float tensor [B, H, W, C] or [B, C, H, W] in 0–1, a list of such, or paths.

        A picture's score does not depend on the others. `prompts` are not looked at. `progress` is
        called after every few. Raises ImageError for pixels out of range, and where files cannot be read
        one that names them all: there is one entry per picture, so none is left out. `score_files` skips
        such files.
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

    def score_files(self, paths: Sequence[Path], skipped: list[Skipped]) -> Iterator[tuple[Path, Scores]]:
        """Score files one by one, in order, decoding ahead; memory does not grow with their number.

        Files that cannot be read are added to `skipped` and left out. What was worked out of a file is
        kept where `disk_cache.keep_in` says.
        """
        store = FeatureCache(self.reader, self.pixel_path, self.adapter)
        for found, features in stream_features(paths, self.reader, self.prepare, store, skipped):
            scores = self.score_features(features)
            for position, path in enumerate(found):
                yield path, scores.of(position)

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
        """Write a checkpoint. Raises OutputError where `path` exists or cannot be written."""
        save_checkpoint(self.checkpoint(), Path(path), overwrite=overwrite)

    def to_bytes(self) -> bytes:
        """What `save` writes."""
        return to_bytes(self.checkpoint())

    def checkpoint(self) -> Checkpoint:
        """What it takes to have this model again, given its backbone."""
        tensors = {f"{_RPL}{name}": tensor for name, tensor in self.layer.state_dict().items()}
        if self.adapter is not None:
            tensors |= {f"{_ADAPTER}{name}": tensor for name, tensor in self.adapter.tensors.items()}
        second_look = self.reader.readout.second_look
        card = {
            **self.card,
            "backbone": self.backbone.spec.to_json(),
            "adapter": self.adapter.settings() if self.adapter else None,
            "taps": list(self.reader.readout.taps),
            "second_look": second_look.to_json() if second_look else None,
            "head": self.layer.kind,
            "calibration": {"temperature": self.calibration.temperature, "bias": self.calibration.bias},
            "preprocessing": {
                "resize": RESIZE,
                "filter": "bicubic, antialiased",
                "transparency": "over mid-grey",
                **self.pixel_path.to_json(),
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
        load: Callable[[str], Backbone] | None = None,
        name: str = "",
    ) -> RewardModel:
        """Read a checkpoint and the backbone it was trained on.

        The backbone's weights are looked for by the name in the checkpoint, in `search_folders` and
        beside the checkpoint, never where a path in it leads; `backbone` overrides the name (as
        `load_backbone` takes it).
        `offline` fetches nothing. `name` is what the model is called, the file's stem by default.
        A host that has the backbone gives `load`, which takes its name and is asked instead: the
        weights are compared all the same, and a LoRA adapter is merged into what it returns.
        Raises CheckpointError for a file that cannot be used, BackboneError for weights that are
        absent or differ from those trained on.
        """
        path = Path(path)
        checkpoint = load_checkpoint(path)
        with torch.inference_mode(False):
            try:
                spec = BackboneSpec.from_json(checkpoint.card["backbone"])
                readout = _readout(checkpoint.card, spec)
                calibration = Calibration(**checkpoint.card["calibration"])
                pixel_path = BorderTrim.from_json(checkpoint.card["preprocessing"])
                layer = RewardProjectionLayer.from_tensors(
                    checkpoint.card["head"], _below(_RPL, checkpoint.tensors)
                )
                _check_parts(checkpoint.card, readout.width(spec), calibration, layer)
            except (
                LookupError,
                TypeError,
                ValueError,
                AttributeError,
                ArithmeticError,
                RuntimeError,
                CheckpointError,
            ) as error:
                raise CheckpointError(
                    f"{shown(path)} is a GAN-RM checkpoint with a part missing or damaged ({damage(error)}). "
                    "Copy it again, or train it anew."
                ) from error
            folders = (*search_folders, path.parent)
            find = load or (lambda called: _find_backbone(called, spec, backbone is None, folders, offline))
            network = _load_matching_backbone(path, spec, backbone or without_folder(spec.name), find)
            adapter = None
            if checkpoint.card.get("adapter"):
                try:
                    adapter = Adapter.from_checkpoint(
                        checkpoint.card["adapter"], _below(_ADAPTER, checkpoint.tensors)
                    )
                    merge_adapter(network, adapter)
                except CheckpointError as error:
                    raise CheckpointError(f"{shown(path)} cannot be used. {error}") from error
            network.to(device)
        _log.info("loaded the reward model %s with %s on %s", shown(path), spec.name, device)
        return cls(
            network,
            readout,
            layer,
            calibration,
            card=checkpoint.card,
            adapter=adapter,
            name=name or path.stem,
            pixel_path=pixel_path,
        )

    def prepare(self, image: Tensor) -> Tensor:
        """One picture, float [3, H, W] in 0–1 on any device → [3, S, S] on the CPU, as the reader takes it."""
        # On the CPU, as in training: another device's bicubic differs, and MPS may have none.
        return resize(self.pixel_path(image.to("cpu", torch.float32)), self.backbone.spec.input_size)

    def score_features(self, features: Tensor) -> Scores:
        """Scores of feature vectors [B, width] as the reader gives them, on any device."""
        with torch.inference_mode():
            # The head stays on the CPU: it is tiny, and a host may move the backbone at any time.
            logits, spread = self.layer(features.cpu())
        scores = torch.from_numpy(self.calibration.scores(logits.numpy())).float()
        # Outside inference mode the results would be refused by a caller's autograd.
        return Scores(logits.clone(), scores, spread.clone())


def _readout(card: Mapping[str, Any], spec: BackboneSpec) -> Readout:
    taps, second_look = tuple(card["taps"]), card.get("second_look")
    if second_look is not None:
        look = SecondLook.from_json(second_look)
        if look.kind == "smaller" and not takes_a_second_look(spec):
            raise ValueError(f"smaller pictures, which {spec.name} does not take")
        return Readout(taps, look)
    # Earlier versions knew one second look, at all taps.
    return Readout(taps, SecondLook("blurred", taps) if card.get("response") else None)


def _check_parts(
    card: Mapping[str, Any], width: int, calibration: Calibration, layer: RewardProjectionLayer
) -> None:
    """Raise ValueError now for what would otherwise fail, or give no number, at the first picture."""
    temperature, bias = calibration.temperature, calibration.bias
    if not (temperature > 0 and temperature + 1 / temperature + abs(bias) < _OVERFLOWS):
        raise ValueError(f"temperature {temperature!r:.20}, bias {bias!r:.20}")
    # What could not be measured is null.
    if any(figure(value) is None for value in (card.get("thresholds") or {}).values() if value is not None):
        raise ValueError("thresholds that are no numbers")
    # Features of either sign, far larger than a network's are.
    ramp = torch.linspace(-_LARGEST, _LARGEST, width)
    logits, spread = layer(torch.stack([torch.zeros(width), ramp, -ramp]))
    if not bool(torch.isfinite(torch.stack([logits, spread])).all()):
        raise ValueError("a head that gives no number")


def _below(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _find_backbone(
    name: str, spec: BackboneSpec, any_name: bool, folders: Sequence[Path], offline: bool
) -> Backbone:
    found = _found_by_content(spec, folders) if any_name else None
    return load_backbone(found or name, search_folders=folders, offline=offline)


def _load_matching_backbone(
    path: Path, spec: BackboneSpec, name: str, find: Callable[[str], Backbone]
) -> Backbone:
    try:
        network = find(name)
    except BackboneError as error:
        raise BackboneError(
            f"{shown(path)} was trained on the backbone {spec.name}, which could not be loaded: {error} "
            f"Its weights have sha256 {spec.weights_sha256[:16]}…; put them beside the checkpoint, "
            "or say where they are (--backbone, or backbone= in Python)."
        ) from error
    if network.spec.weights_sha256 != spec.weights_sha256:
        raise BackboneError(
            f"{shown(path)} was trained on the backbone {spec.name} with weights of sha256 "
            f"{spec.weights_sha256[:16]}…, but those found have {network.spec.weights_sha256[:16]}…. "
            "Scores would be meaningless: get the same weights, or train anew on these."
        )
    return network


def _found_by_content(spec: BackboneSpec, folders: Sequence[Path]) -> str | None:
    """A single-file backbone, if need be under another name than the checkpoint remembers."""
    if not spec.name.startswith("file:"):
        return None
    found = find_file(without_folder(spec.name).removeprefix("file:"), folders)
    if found and sha256_of_files([found]) == spec.weights_sha256:
        return f"file:{found}"
    renamed = find_by_sha256(spec.weights_sha256, folders)
    return f"file:{renamed}" if renamed else None
