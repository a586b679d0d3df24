"""Every name worth offering is known to OpenCLIP, can be used, and is as big as we say."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from ganrm_core.backbones.open_clip_weights import KNOWN, KnownWeights
from ganrm_core.backbones.registry import load_backbone

open_clip = pytest.importorskip("open_clip")


@pytest.mark.parametrize("known", KNOWN, ids=lambda known: known.name)
def test_known_weights(known: KnownWeights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, _, tag = known.name.removeprefix("open_clip:").partition("/")
    if not open_clip.get_pretrained_cfg(model, tag):
        pytest.skip(f"OpenCLIP {open_clip.__version__} is too old for {known.name}")
    assert open_clip.get_pretrained_cfg(model, tag)["hf_hub"].endswith("/")
    (tmp_path / f"open_clip--{model}--{tag}.safetensors").touch()
    monkeypatch.setattr(
        "ganrm_core.backbones.open_clip.visual_tensors", lambda _, visual: visual.state_dict()
    )
    # The real architecture without its numbers: nothing is computed, yet every shape is.
    with torch.device("meta"):
        backbone = load_backbone(known.name, search_folders=[tmp_path], offline=True)
        whole = open_clip.create_model(model, device="meta")
    assert backbone.spec.name == known.name
    assert sum(p.numel() for p in whole.parameters()) * 4e-9 == pytest.approx(known.gigabytes, abs=0.006)


def test_known_weights_are_named_once() -> None:
    assert 8 <= len({known.name for known in KNOWN}) == len(KNOWN)


def test_importing_the_list_costs_nothing() -> None:
    code = (
        "import sys, ganrm_core.backbones.open_clip_weights as d; d.is_downloaded(d.KNOWN[0].name, []);"
        "print({'torch', 'numpy', 'open_clip', 'huggingface_hub', 'safetensors'} & set(sys.modules))"
    )
    root = Path(__file__).parents[3]
    run = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "set()"
