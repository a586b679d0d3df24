"""The recommended weights are known to OpenCLIP, and their architectures can be used."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from ganrm_core.backbones.open_clip_weights import KNOWN, KnownWeights
from ganrm_core.backbones.registry import load_backbone

open_clip = pytest.importorskip("open_clip")


def test_every_tag_is_on_the_hub_and_named_once() -> None:
    assert 8 <= len({known.name for known in KNOWN}) == len(KNOWN)
    for known in KNOWN:
        model, _, tag = known.name.removeprefix("open_clip:").partition("/")
        about = open_clip.get_pretrained_cfg(model, tag)
        assert not about or about["hf_hub"].endswith("/"), known.name


@pytest.mark.parametrize("known", [KNOWN[0], KNOWN[-1]], ids=lambda known: known.name)
def test_size_and_architecture(known: KnownWeights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One of OpenCLIP's own towers, and one of timm's."""
    model, _, tag = known.name.removeprefix("open_clip:").partition("/")
    if not open_clip.get_pretrained_cfg(model, tag):
        pytest.skip(f"OpenCLIP {open_clip.__version__} is too old")
    (tmp_path / f"open_clip--{model}--{tag}.safetensors").touch()
    replaced = "ganrm_core.backbones.open_clip.visual_tensors"
    monkeypatch.setattr(replaced, lambda _, visual: visual.state_dict())
    # On the meta device nothing is computed, yet every shape is.
    with torch.device("meta"):
        backbone = load_backbone(known.name, search_folders=[tmp_path], offline=True)
        whole = open_clip.create_model(model, device="meta")
    assert backbone.spec.name == known.name
    size = sum(p.numel() for p in whole.parameters()) * 4e-9
    assert size == pytest.approx(known.gigabytes, abs=0.006)


def test_importing_the_list_loads_no_heavy_library() -> None:
    code = (
        "import sys, ganrm_core.backbones.open_clip_weights as d; d.is_downloaded(d.KNOWN[0].name, []);"
        "print({'torch', 'numpy', 'open_clip', 'huggingface_hub', 'safetensors'} & set(sys.modules))"
    )
    root = Path(__file__).parents[3]
    run = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "set()"
