"""Symbolic links that the owner placed below ComfyUI's output and models: followed by every node that writes."""

from __future__ import annotations

from pathlib import Path

import pytest
from host_support.client import Client, PromptRefusedError
from host_support.pack_prompts import save_images, saved_model, score_folder
from host_support.prompts import images, node
from host_support.server import Server

pytestmark = pytest.mark.usefixtures("pictures")


@pytest.fixture
def disk(server: Server, tmp_path: Path) -> Path:
    """A folder outside ComfyUI's own, to which links lead."""
    disk = tmp_path / "another disk"
    disk.mkdir()
    for home in ("output", "models/ganrm"):
        link = server.folder(*home.split("/")) / "linked"
        link.unlink(missing_ok=True)
        link.symlink_to(disk)
    return disk


def test_every_node_that_writes(client: Client, taste: str, disk: Path) -> None:
    added = {"images": ["images", 0], "dataset_name": "output/linked/likes", "pick": "all"}
    prompt = {
        **score_folder(taste, save_to='"linked/best"'),
        "images": images("64x64", frames=2),
        "pictures": save_images("images", "linked/best"),
        "dataset": node("GANRMAddToDataset", **added),
        "model": saved_model("load", "linked/mine"),
    }
    run = client.run(prompt).expect_success()
    saved = run.outputs["pictures"]["images"]
    assert all((disk / each["filename"]).is_file() for each in saved)
    assert client.image(**saved[0]).size == (64, 64), "the page can show it"
    assert len(list((disk / "likes").glob("*.png"))) == len(saved)
    assert run.outputs["folder"]["best_folder"] == ["output/linked/best"]
    assert (disk / "best" / "scores.csv").is_file()
    assert (disk / "mine.safetensors").is_file()


def test_the_links_lead_nowhere_else(client: Client, disk: Path) -> None:
    prompt = {"images": images("64x64"), "pictures": save_images("images", "linked/../../evil")}
    with pytest.raises(PromptRefusedError, match="leads out of its folder"):
        client.run(prompt)
    assert not list(disk.parent.glob("evil*"))
