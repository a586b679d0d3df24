"""Loading published weights from local files into networks, with errors that name the file and what to do."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from ..backbones.hf_vision_model import import_transformers, quiet_transformers
from ..utils.bounded_json import read_json_file
from ..utils.error_text import damage, reason
from ..utils.errors import BackboneError
from ..utils.files import shown
from ..utils.safetensors_io import readable_path
from ..utils.torch_file import read_tensors

_WEIGHTS = ("model.safetensors", "pytorch_model.bin")
_CONFIG = "config.json"
_ATTENTION = ("attn_implementation", "_attn_implementation", "_attn_implementation_internal")
_NAMED = 4
_DRAWS = (Tensor.normal_, Tensor.uniform_)
_KERNELS_OF_THE_HUB = ("fp8", "fbgemm_fp8", "mxfp4", "nvfp4", "eetq", "metal")
"""Quantised formats for which `transformers` fetches code and runs it."""


def tensors_of(path: Path) -> dict[str, Tensor]:
    """All tensors of a weights file. Raises BackboneError where it is absent, damaged or holds code."""
    if not path.is_file():
        raise BackboneError(f"There is no weights file {shown(path)}. Check the path, or put the file there.")
    try:
        return read_tensors(path)
    except Exception as error:
        raise BackboneError(
            f"{shown(path)} cannot be read ({reason(error)}). It is damaged, incomplete or holds code, which is never "
            "run: download it again."
        ) from error


class NoInitialisation(TorchFunctionMode):
    """Context that builds networks without drawing first weights: half a minute for a billion that are all replaced.

    Only for networks that `load_exactly` fills: parameters hold whatever was in memory until then.
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        del types
        if func in _DRAWS and _draws_until_it_fits(sys._getframe(1)):
            return func(*args, **(kwargs or {}))
        if func in _DRAWS or getattr(func, "__module__", "") == "torch.nn.init":
            return args[0] if args else next(iter((kwargs or {}).values()))
        return func(*args, **(kwargs or {}))


def _draws_until_it_fits(caller: FrameType) -> bool:
    """Whether `caller` is the truncated normal of torch, from 2.15 on a loop that without draws would never end."""
    return caller.f_globals.get("__name__") == "torch.nn.init" and "trunc" in caller.f_code.co_name


def load_exactly(network: nn.Module, tensors: dict[str, Tensor], path: Path, what: str) -> None:
    """Load every tensor of `network`; extra position indices are ignored. Raises BackboneError for any other mismatch."""
    wanted = network.state_dict()
    given = {name: tensor for name, tensor in tensors.items() if name in wanted or _counts(name)}
    names = dict.fromkeys((*wanted, *given))
    odd = [n for n in names if n not in given or n not in wanted or given[n].shape != wanted[n].shape]
    if odd := list(filter(_counts, odd)):
        raise not_fitting(path, what, odd)
    network.load_state_dict(given, strict=False)


def _counts(name: str) -> bool:
    """False for position indices, which some versions of `transformers` store and others make."""
    return "position_ids" not in name


def not_fitting(path: Path, what: str, odd: list[str]) -> BackboneError:
    """Error for tensors of other names or shapes than `what` has."""
    few = ", ".join(odd[:_NAMED])
    return BackboneError(
        f"{shown(path)} is not {what}: {len(odd)} tensors are missing, unknown or of another shape "
        f"({few}{', …' if len(odd) > _NAMED else ''}). Choose the published file, or download it again."
    )


def from_folder(class_name: str, folder: Path, options: dict[str, Any] | None = None) -> Any:
    """A network of `transformers` from its folder, nothing downloaded and no code of the folder run.

    `options` are further arguments of that library's `from_pretrained`. Raises BackboneError.
    """
    _refuse_code_of_the_hub(folder)
    network, info = _from_pretrained(class_name, folder, {"local_files_only": True, **(options or {})})
    if missing := list(filter(_counts, info["missing_keys"])):
        raise not_fitting(folder, f"a whole {class_name}", missing)
    return network


def from_tensors(
    class_name: str, config: Any, tensors: dict[str, Tensor], path: Path, what: str
) -> nn.Module:
    """A network of `transformers` from `config` and the tensors of the file `path`, in that library's naming."""
    network, info = _from_pretrained(class_name, path, {"config": config, "state_dict": tensors})
    odd = [*info["missing_keys"], *info["unexpected_keys"], *(str(m[0]) for m in info["mismatched_keys"])]
    if odd := list(filter(_counts, odd)):
        raise not_fitting(path, what, odd)
    return network


def weights_files(folder: Path) -> tuple[Path, ...]:
    """The weights files of a `transformers` folder, as that library chooses them."""
    for name in _WEIGHTS:
        if (folder / name).is_file():
            return (folder / name,)
        index = folder / f"{name}.index.json"
        if index.is_file():
            shards = sorted(set(read_json(index)["weight_map"].values()))
            return tuple(folder / str(shard) for shard in shards)
    raise BackboneError(
        f"The folder {shown(folder)} holds no weights. Put {_WEIGHTS[0]} beside its config.json."
    )


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in a file of a model's folder. Raises BackboneError where there is none."""
    try:
        data = read_json_file(path)
        if not isinstance(data, dict):
            raise ValueError("it holds no JSON object")
    except FileNotFoundError as error:
        raise BackboneError(
            f"The folder {shown(path.parent)} lacks {path.name}. Put it there; it is part of the published model."
        ) from error
    except (OSError, ValueError) as error:
        raise BackboneError(f"{shown(path)} is damaged ({damage(error)}). Download it again.") from error
    return data


def _refuse_code_of_the_hub(folder: Path) -> None:
    """Raises BackboneError where a folder's configuration names attention code that would be fetched and run."""
    config = read_json(folder / _CONFIG)
    parts = [config, *(part for part in config.values() if isinstance(part, dict))]
    asked = [str(part[key]) for part in parts for key in _ATTENTION if "/" in str(part.get(key))]
    if asked:
        raise BackboneError(
            f"{shown(folder / _CONFIG)} asks for code from the hub ({asked[0]}), which is never run. Remove that line "
            "from it, or choose another model."
        )
    quantised = config.get("quantization_config")
    method = quantised.get("quant_method") if isinstance(quantised, dict) else None
    if method in _KERNELS_OF_THE_HUB:
        raise BackboneError(
            f"{shown(folder)} is stored as {method}, which transformers runs by code that it fetches from the hub. That is "
            "not done here: choose a version in float16 or bfloat16, or one quantised by bitsandbytes."
        )


def _from_pretrained(
    class_name: str, source: Path, options: dict[str, Any]
) -> tuple[nn.Module, dict[str, Any]]:
    transformers = import_transformers()
    if not hasattr(transformers, class_name):
        raise BackboneError(
            f"{shown(source)} needs {class_name}, which transformers {transformers.__version__} does not have. "
            "Install a newer one with: pip install --upgrade transformers"
        )
    try:
        with quiet_transformers(), readable_path(source) as name:
            network, info = getattr(transformers, class_name).from_pretrained(
                None if "state_dict" in options else name,
                output_loading_info=True,
                **options,
            )
    except ImportError as error:
        raise lacks_a_package(source, error) from error
    except Exception as error:
        raise BackboneError(
            f"{shown(source)} cannot be loaded as {class_name} ({reason(error)}). It may be incomplete or of another "
            "model: download it again, or choose another."
        ) from error
    return network, info


def lacks_a_package(source: Path, error: ImportError) -> BackboneError:
    """Error for a model that needs a package which is not installed; `transformers` says which."""
    return BackboneError(
        f"{shown(source)} needs a package that is not installed ({reason(error)}). Install it with the Python that runs "
        "this, and start anew."
    )
