"""Loads an image-text-to-text model from a local folder of `transformers`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from ...backbones.hf_vision_model import import_transformers, quiet_transformers
from ...utils.error_text import reason
from ...utils.errors import BackboneError
from ...utils.files import shown
from ...utils.optional_imports import name_the_user
from ...utils.safetensors_io import readable_path
from ..local_weights import from_folder, lacks_a_package, read_json, weights_files
from .chat_model import ChatModel

_CLASS = "AutoModelForImageTextToText"


def load_chat_model(folder: Path) -> ChatModel:
    """Load a model on the CPU in the number format of its folder; nothing is downloaded and no code of it is run.

    Raises BackboneError.
    """
    name_the_user()
    if not (folder / "config.json").is_file():
        raise BackboneError(
            f"There is no model in {shown(folder)}. Choose a folder with its config.json, weights and processor."
        )
    _refuse_code(folder)
    processor = _processor(folder)
    # Tensors made in inference mode cannot be moved by a host later.
    with torch.inference_mode(False), torch.no_grad():
        net = from_folder(_CLASS, folder, {"trust_remote_code": False, _dtype_word(): "auto"})
    return ChatModel(net, processor, weights_files(folder))


def _refuse_code(folder: Path) -> None:
    config = read_json(folder / "config.json")
    if "auto_map" in config and config.get("model_type") not in import_transformers().CONFIG_MAPPING:
        raise BackboneError(
            f"{shown(folder)} needs program code of its own, which is never run. Choose the version made for transformers; "
            "of InternVL the name ends in -hf."
        )


def _dtype_word() -> str:
    version = str(import_transformers().__version__)
    return "dtype" if int(version.partition(".")[0]) >= 5 else "torch_dtype"


def _processor(folder: Path) -> Any:
    transformers = import_transformers()
    try:
        with quiet_transformers(), readable_path(folder) as name:
            processor = transformers.AutoProcessor.from_pretrained(
                name, local_files_only=True, trust_remote_code=False
            )
    except ImportError as error:
        raise lacks_a_package(folder, error) from error
    except Exception as error:
        raise BackboneError(
            f"The processor in {shown(folder)} cannot be loaded ({reason(error)}). The folder needs the model's "
            "preprocessor_config.json or processor_config.json, and its tokenizer."
        ) from error
    if not hasattr(processor, "tokenizer") or not hasattr(processor, "image_processor"):
        raise BackboneError(
            f"{shown(folder)} holds no model that reads pictures and text. Choose a vision-language model, such as one of "
            "Qwen-VL, InternVL, SmolVLM, Idefics3 or LLaVA-OneVision."
        )
    return processor
