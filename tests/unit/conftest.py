"""What the end-to-end tests share: small pictures, tiny backbones, and one trained model."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fuzz_support.checkpoint_seeds import Seeds, make_checkpoint_seeds
from PIL import Image
from unit_support.clip_vision import VIT, enlivened, write_clip_vision
from unit_support.drawn import written  # noqa: F401

from ganrm_core.backbones.registry import load_backbone
from ganrm_core.cli import main
from ganrm_core.metrics.calibration import Calibration
from ganrm_core.rewards.discriminator.checkpoint import load_checkpoint
from ganrm_core.rewards.discriminator.feature_extractor import FeatureExtractor
from ganrm_core.rewards.discriminator.heads import LinearHead, RewardProjectionLayer
from ganrm_core.rewards.discriminator.model_parts import CalibratedHead
from ganrm_core.rewards.discriminator.readout import default_readout
from ganrm_core.rewards.discriminator.reward_model import RewardModel
from ganrm_core.training.config import TrainingSettings
from ganrm_core.training.trainer import TrainingResult, train
from ganrm_core.utils.progress import ProgressCallback, no_progress

SIDE = 48

ROOT = Path(__file__).parents[2]
IN_REPOSITORY = (ROOT / "pyproject.toml").exists()
# Copied elsewhere, to test an installed package, the tests find no benchmarks, README or node pack beside them.
_OF_THE_REPOSITORY = (
    "benchmarks",
    "distributed/test_on_ray.py",
    "post_training/test_watch_tables.py",
    "test_audit.py",
    "test_documentation.py",
    "test_layers.py",
)
collect_ignore = [] if IN_REPOSITORY else [*_OF_THE_REPOSITORY, "test_packaging.py"]

Draw = Callable[[str, int], Image.Image]
MakeFolder = Callable[..., Path]
MakeModel = Callable[[str], RewardModel]


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    # Several threads gain nothing on pictures this small, and fight where tests run side by side.
    torch.set_num_threads(1)


@pytest.fixture(scope="session", autouse=True)
def _no_cache() -> Iterator[None]:
    # Neither the user's own cache nor what another test left there may decide a test.
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GANRM_CACHE", "off")
        yield


@pytest.fixture(scope="session")
def repository() -> Path:
    """The repository's root, for tests that read its source."""
    if not IN_REPOSITORY:
        pytest.skip("the tests run outside the repository")
    return ROOT


@pytest.fixture(scope="session")
def draw() -> Draw:
    """(kind, number) → a picture: "liked" are clean, "ordinary" noisy, no two alike."""
    return _draw


@pytest.fixture(scope="session")
def make_folder() -> MakeFolder:
    """(folder, kind, count, first=0) → the folder, filled with PNGs named by kind and number."""
    return _make_folder


@dataclass(frozen=True)
class Ran:
    """A command that has run."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()

    @property
    def json(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.lines]


@pytest.fixture(scope="session")
def ganrm() -> Callable[..., Ran]:
    """Run the command line in this process."""
    return _ganrm


@dataclass(frozen=True)
class Sets:
    """Two folders to train on, and settings that make it quick."""

    liked: Path
    ordinary: Path
    settings: TrainingSettings

    def train(self, progress: ProgressCallback = no_progress, **changes: Any) -> TrainingResult:
        return train(self.liked, self.ordinary, replace(self.settings, **changes), progress=progress)

    @staticmethod
    def undated(result: TrainingResult, path: Path) -> bytes:
        """The bytes of the checkpoint, written to `path`, with the date blotted out."""
        result.model.save(path)
        date = load_checkpoint(path).card["provenance"]["date"]
        content = path.read_bytes()
        assert content.count(date.encode()) == 1
        return content.replace(date.encode(), b"0" * len(date))


@pytest.fixture(scope="session")
def sets(tmp_path_factory: pytest.TempPathFactory, tiny_transformer: str) -> Sets:
    folder = tmp_path_factory.mktemp("sets")
    return Sets(
        _make_folder(folder / "liked", "liked", 12),
        _make_folder(folder / "ordinary", "ordinary", 13),
        TrainingSettings(backbone=tiny_transformer, views=2),
    )


@pytest.fixture(scope="session")
def model_files(tmp_path_factory: pytest.TempPathFactory) -> Seeds:
    """Checkpoints of every kind, a combination and a feature archive, with the tiny backbone they need."""
    return make_checkpoint_seeds(tmp_path_factory.mktemp("model_files"))


@pytest.fixture(scope="session")
def model(trained: Any) -> RewardModel:
    """The model that the tests of the command line share."""
    return RewardModel.load(trained.checkpoint)


@pytest.fixture(scope="session")
def tiny_transformer(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The name of a `transformers:` backbone with random weights, quick to train on."""
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(3)
    network = transformers.Dinov2Model(transformers.Dinov2Config(**VIT, mlp_ratio=2))
    folder = tmp_path_factory.mktemp("transformers") / "tiny-dinov2"
    enlivened(network).save_pretrained(folder)
    return f"transformers:{folder}"


@pytest.fixture(scope="session")
def tiny_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file as in ComfyUI's models/clip_vision, with random weights."""
    return write_clip_vision(tmp_path_factory.mktemp("clip_vision") / "tiny.safetensors", seed=4)


@pytest.fixture(scope="session")
def make_clip_vision() -> Callable[..., Path]:
    """(path, seed) → the path, at which a clip_vision file with random weights now lies."""
    return write_clip_vision


@pytest.fixture(scope="session")
def tiny_open_clip(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The name of an `open_clip:` backbone with random weights."""
    open_clip = pytest.importorskip("open_clip")
    folder = tmp_path_factory.mktemp("open_clip")
    vision = {"image_size": 32, "layers": 4, "width": 32, "head_width": 8, "patch_size": 8}
    text = {"context_length": 8, "vocab_size": 16, "width": 16, "heads": 2, "layers": 1}
    about = {"embed_dim": 24, "vision_cfg": vision, "text_cfg": text}
    (folder / "tiny-shared.json").write_text(json.dumps(about))
    open_clip.add_model_config(folder)
    torch.manual_seed(5)
    weights = folder / "weights.pt"
    torch.save(enlivened(open_clip.create_model("tiny-shared")).state_dict(), weights)
    yield f"open_clip:tiny-shared/{weights}"
    open_clip.factory._MODEL_CONFIGS.pop("tiny-shared")
    open_clip.factory._MODEL_CONFIG_PATHS.remove(folder)


@pytest.fixture(scope="session")
def untrained_model() -> MakeModel:
    """Backbone name → a reward model with a random head, whose logits spread by about 1."""
    return _untrained_model


def _untrained_model(name: str) -> RewardModel:
    backbone = load_backbone(name)
    readout = default_readout(backbone.spec)
    size = backbone.spec.input_size
    coarse = torch.rand(8, 3, 5, 5, generator=torch.Generator().manual_seed(6))
    pixels = torch.nn.functional.interpolate(coarse, size, mode="bilinear")
    features = FeatureExtractor(backbone, readout)(pixels).clone()
    weight = torch.randn(features.shape[1], generator=torch.Generator().manual_seed(7))
    weight = weight / ((features - features.mean(dim=0)) @ weight).std()
    head = LinearHead(features.mean(dim=0), weight, torch.tensor(0.0))
    calibrated = CalibratedHead(readout, RewardProjectionLayer(head), Calibration())
    return RewardModel(backbone, calibrated, card={}, name="random")


def _ganrm(*arguments: object) -> Ran:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main([str(argument) for argument in arguments])
    return Ran(code, out.getvalue(), err.getvalue())


def _make_folder(folder: Path, kind: str, count: int, first: int = 0) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(first, first + count):
        _draw(kind, number).save(folder / f"{kind}{number:02}.png")
    return folder


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
