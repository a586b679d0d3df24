"""A real generator for the pictures of workflows 10 to 12: coloured shapes, and a taste for warm, large, central ones.

Needs the generator of `python -m benchmarks.shapes.training`.
"""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.shapes.drawing import SIDE, Shape, any_shape
from benchmarks.shapes.files import FLOW, VAE, generator_folder
from benchmarks.shapes.reading import quality
from ganrm_core import train

_PROMPTS = "a circle\na square\na triangle"
_SAMPLING = {"steps": 12, "cfg": 2.0, "sampler_name": "euler", "scheduler": "normal"}
# Twelve small pictures a second: what the benchmark trains with.
SETTINGS: dict[str, dict[str, Any]] = {
    "EmptyLatentImage": {"width": SIDE, "height": SIDE},
    "GANRMPrompts": {"text": _PROMPTS, "negative": ""},
    "GANRMMakeGroups": {**_SAMPLING, "count": 48},
    "GANRMTrainOnGroups": {"steps": 300, "learning_rate": 0.001, "batch": 16, "micro_batch": 16},
    "GANRMAdversarialTraining": {
        **_SAMPLING,
        "rounds": 16,
        "groups": 3,
        "learning_rate": 0.001,
        "micro_batch": 16,
        "watch_every": 2,
    },
    "GANRMCompareModels": {**_SAMPLING, "pictures": 16},
}
_SHAPES, _LIKED, _STYLE = 500, 100, 60


def save_taste(path: Path, liked: Path) -> None:
    """Train a taste on drawn shapes: liked are the best fifth by `quality`, which are left in the folder `liked`."""
    rng = np.random.default_rng(0)
    shapes = sorted((any_shape(rng) for _ in range(_SHAPES)), key=quality, reverse=True)
    with tempfile.TemporaryDirectory() as name:
        for number, shape in enumerate(shapes):
            folder = Path(name) / ("liked" if number < _LIKED else "ordinary")
            folder.mkdir(exist_ok=True)
            _save(shape, folder / f"{number:03}.png")
        shutil.copytree(Path(name) / "liked", liked)
        model = train(Path(name) / "liked", Path(name) / "ordinary", name="my_taste").model
    path.parent.mkdir(parents=True, exist_ok=True)
    model.save(path)


def fill_folders(inputs: Path) -> None:
    """`style`: red circles; `ordinary`: drawings of any kind."""
    rng = np.random.default_rng(1)
    drawn: dict[str, list[Shape]] = {"style": [], "ordinary": []}
    while min(map(len, drawn.values())) < _STYLE:
        shape = any_shape(rng)
        drawn["ordinary"].append(shape)
        if shape.kind == "circle":
            drawn["style"].append(replace(shape, hue=rng.uniform(-0.03, 0.03) % 1))
    for name, shapes in drawn.items():
        (inputs / name).mkdir(parents=True, exist_ok=True)
        for number, shape in enumerate(shapes):
            _save(shape, inputs / name / f"{number:03}.png")


def _save(shape: Shape, path: Path) -> None:
    Image.fromarray((shape.picture() * 255).round().astype(np.uint8)).save(path)


def shapes_pack(folder: Path) -> Path:
    """A ComfyUI pack whose checkpoint loader gives the generator of shapes."""
    home = generator_folder()
    if not (home / FLOW).is_file():
        raise SystemExit("There is no generator of shapes yet. Make it: python -m benchmarks.shapes.training")
    pack = folder / "shapes.py"
    text = _PACK.format(
        flow=str(home / FLOW), vae=str(home / VAE), root=str(Path(__file__).resolve().parents[1])
    )
    pack.write_text(text, encoding="utf-8")
    return pack


_PACK = """
import importlib.util
import sys
import types

import comfy.sd
import comfy.utils
import nodes

NODE_CLASS_MAPPINGS = {{}}

# Two files of the benchmark, without its package's name, which other packs might have.
package = types.ModuleType("ganrm_shapes")
package.__path__ = [{root!r} + "/benchmarks/shapes"]
sys.modules["ganrm_shapes"] = package
prompts = importlib.import_module("ganrm_shapes.prompts")


class Clip:
    def tokenize(self, text):
        return text

    def encode_from_tokens_scheduled(self, text):
        context, pooled = prompts.prompt_vectors(text if text in prompts.PROMPTS else prompts.FREE)
        return [[context, {{"pooled_output": pooled}}]]


def load_checkpoint(self, ckpt_name):
    vae = comfy.sd.VAE(sd=comfy.utils.load_torch_file({vae!r}))
    return comfy.sd.load_diffusion_model({flow!r}), Clip(), vae


nodes.CheckpointLoaderSimple.load_checkpoint = load_checkpoint
"""
