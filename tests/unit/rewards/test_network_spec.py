"""Published networks by name and files, as commands and combination files write them."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from unit_support.tiny_image_reward import write_image_reward
from unit_support.tiny_judges import PROMPTS, pictures, write_clip, write_open_clip

from ganrm_core.rewards.known.judges import JUDGES
from ganrm_core.rewards.known.preference_clip import load_pickscore
from ganrm_core.rewards.network_spec import JUDGE_KINDS, PROMPT_FIT_KINDS, NetworkSpec, network_spec
from ganrm_core.rewards.prompt_fit.loading import load_pair
from ganrm_core.rewards.prompt_fit.reward import PromptFit
from ganrm_core.utils.errors import BackboneError, DataError

pytest.importorskip("transformers")
PICTURES = pictures((40, 57), (64, 33))


def test_every_judge_and_formula_has_a_name() -> None:
    assert list(JUDGE_KINDS.values()) == [judge.name for judge in JUDGES]
    assert set(PROMPT_FIT_KINDS.values()) == {"similarity", "pickscore"}


@pytest.mark.parametrize(
    ("text", "files", "architecture"),
    [
        ("pickscore:models/PickScore_v1", ("models/PickScore_v1",), ""),
        ("hps:a,b.pt", ("a,b.pt",), ""),
        ("laion:sac+logos.pth,clip/vision.safetensors", ("sac+logos.pth", "clip/vision.safetensors"), ""),
        ("prompt-fit:C:\\clip", ("C:\\clip",), ""),
        (
            "prompt-fit-pickscore:vision.safetensors,clip_l.safetensors",
            ("vision.safetensors", "clip_l.safetensors"),
            "",
        ),
        ("prompt-fit:open_clip:ViT-H-14/models/h.pt", ("models/h.pt",), "ViT-H-14"),
    ],
)
def test_what_a_text_means(text: str, files: tuple[str, ...], architecture: str) -> None:
    spec = network_spec(text)
    assert spec == NetworkSpec(text.partition(":")[0], tuple(map(Path, files)), architecture)
    assert network_spec(str(spec)) == spec


@pytest.mark.parametrize(
    "text", ["taste.safetensors", "C:\\taste.safetensors", "C:/a", "taste:2", "/a:b", "", "combo"]
)
def test_paths_are_no_networks(text: str) -> None:
    assert network_spec(text) is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("pikscore:models/P", "no kind of reward 'pikscore'. Did you mean pickscore:models/P"),
        ("pickscore", "pickscore needs its local file"),
        ("hps:", "hps needs its local file"),
        ("laion:head.pth, ", "names no file"),
    ],
)
def test_slips_are_named(text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        network_spec(text)


def test_they_are_the_rewards_that_the_files_hold(tmp_path: Path) -> None:
    write_clip(tmp_path / "clip, large")
    write_open_clip(tmp_path, tmp_path / "tiny.pt", "tiny-spec")
    folder = str(tmp_path / "clip, large")
    for text, expected in (
        (f"pickscore:{folder}", load_pickscore(Path(folder))),
        (f"prompt-fit:{folder}", PromptFit(load_pair(folder))),
        ("prompt-fit-pickscore:clip, large", PromptFit(load_pair(folder), "pickscore")),
        (
            "prompt-fit:open_clip:tiny-spec/tiny.pt",
            PromptFit(load_pair(f"open_clip:tiny-spec/{tmp_path}/tiny.pt")),
        ),
    ):
        spec = network_spec(text, lambda name: tmp_path / name)
        assert spec is not None
        reward = spec.load()
        assert torch.equal(reward.score(PICTURES, PROMPTS).logit, expected.score(PICTURES, PROMPTS).logit)
    assert NetworkSpec("image-reward", (write_image_reward(tmp_path),)).load().name == "ImageReward"


def test_files_are_looked_up_in_folders_and_named_where_absent(tmp_path: Path) -> None:
    write_clip(tmp_path / "models" / "clip")
    assert NetworkSpec("prompt-fit", (Path("clip"),)).load([tmp_path / "models"]).name == "prompt fit"
    with pytest.raises(BackboneError, match=r'no file or model folder "absent" in .*nothing is downloaded'):
        NetworkSpec("hps", (Path("absent"),)).load([tmp_path])
    (tmp_path / "head.pth").touch()
    with pytest.raises(DataError, match=r"laion:head\.pth,ENCODER"):
        NetworkSpec("laion", (tmp_path / "head.pth",)).load()


def test_the_sha256_is_that_of_the_weights(tmp_path: Path) -> None:
    write_clip(tmp_path / "clip")
    spec = NetworkSpec("prompt-fit", (tmp_path / "clip",))
    before = spec.sha256()
    (tmp_path / "clip" / "notes.txt").write_text("mine")
    assert spec.sha256() == before
    (tmp_path / "clip" / "model.safetensors").write_bytes(b"other")
    assert spec.sha256() != before
