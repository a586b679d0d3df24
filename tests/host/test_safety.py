"""What must not break a server or leave its folders: bad folders, hostile paths, damaged files, broken modules."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import pytest
from host_support.client import Client, PromptRefusedError
from host_support.drawn_pictures import fill_folder
from host_support.fixtures import MakeServer
from host_support.install import PACK
from host_support.pack_fixtures import make_pictures
from host_support.pack_prompts import best_of_n, images, loaded, scored, training
from host_support.prompts import Json, node
from host_support.server import PACK_FOLDER, Server

SOON = 300
NODES = len(list((PACK / "nodes" / "web" / "docs").glob("*.md")))  # each node has a help page
ESCAPES = [
    "../../etc",
    "/etc",
    "input/../../etc",
    "..",
    "C:\\Windows",
    "\\\\host\\share",
    "input/..\\..\\x",
    "\x00",
]

pytestmark = pytest.mark.usefixtures("pictures")


def said(client: Client, prompt: Json) -> str:
    """What the page shows of a prompt that must not work: the refusal, or the error while it ran."""
    try:
        run = client.run(prompt, timeout=SOON)
    except PromptRefusedError as error:
        return str(error)
    assert not run.succeeded
    assert run.error is not None
    return run.error_message


def folder_node(folder: str) -> Json:
    return {
        "folder": node("GANRMImageFolder", folder=folder, recursive=False),
        "echo": node("ProbeEcho", label="folder", value=["folder", 1]),
    }


def score_folder(model: str, **inputs: Any) -> Json:
    given = {"folder": "input/liked", "keep": 2, "save_to": "best", "recursive": False}
    given |= {"min_score": 0.0, "place": "copy", "reward": ["load", 0], **inputs}
    return {"load": loaded(model), "folder": node("GANRMScoreFolder", **given)}


def every_file(server: Server) -> set[Path]:
    """All files of the server that lie where a node might have left one, and next to its base folder's."""
    return {path for path in server.base.rglob("*") if not path.is_relative_to(server.folder("custom_nodes"))}


@pytest.mark.parametrize("path", ESCAPES)
class TestEscapes:
    def test_reading_a_folder(self, client: Client, path: str) -> None:
        told = said(client, folder_node(path))
        assert any(word in told for word in ("not read from", "There is no folder")), told

    def test_scoring_a_folder(self, client: Client, taste: str, path: str) -> None:
        told = said(client, score_folder(taste, folder=path))
        assert any(word in told for word in ("not read from", "There is no folder")), told

    def test_copying_the_best(self, client: Client, server: Server, taste: str, path: str) -> None:
        before = every_file(server)
        assert "not written to" in said(client, score_folder(taste, save_to=path))
        assert every_file(server) == before

    def test_loading_a_model(self, client: Client, path: str) -> None:
        prompt = {"images": images("64x64"), "load": loaded(path), "score": scored()}
        assert "not read from" in said(client, prompt)

    def test_saving_a_model(self, client: Client, server: Server, taste: str, path: str) -> None:
        prompt = {"load": loaded(taste), "save": node("GANRMSaveModel", reward=["load", 0], name=path)}
        before = every_file(server)
        assert "not written to" in said(client, prompt)
        assert every_file(server) == before

    def test_growing_a_dataset(self, client: Client, server: Server, path: str) -> None:
        grow = node("GANRMAddToDataset", images=["images", 0], dataset_name=path, pick="all")
        before = every_file(server)
        assert "not written to" in said(client, {"images": images("64x64"), "grow": grow})
        assert every_file(server) == before

    def test_saving_pictures(self, client: Client, server: Server, path: str) -> None:
        prefix = f"{path}/x" if not path.endswith("x") else path
        saving = node(
            "GANRMSaveImages", images=["images", 0], filename_prefix=prefix, format="png", quality=95
        )
        outside = {each for each in every_file(server) if not each.is_relative_to(server.folder("output"))}
        with contextlib.suppress(PromptRefusedError):
            client.run({"images": images("64x64"), "save": saving}, timeout=SOON)
        now = {each for each in every_file(server) if not each.is_relative_to(server.folder("output"))}
        assert now == outside

    def test_choosing_a_backbone(self, client: Client, path: str) -> None:
        for backbone in (f"file:{path}", path, f"transformers:{path}"):
            told = said(client, training(backbone=backbone))
            assert "is not" in told, told
            assert "choose" in told.lower(), told


def test_a_link_over_which_a_hostile_path_comes_is_no_way_around(client: Client) -> None:
    # A node of another pack whose output fits every type: the server cannot check what it brings.
    prompt = {
        **folder_node("input"),
        "text": node("PrimitiveString", value="/etc"),
        "any": node("ProbeSlow", steps=1, seconds=0.0, value=["text", 0]),
    }
    prompt["folder"]["inputs"]["folder"] = ["any", 0]
    assert "not read from" in said(client, prompt)


def test_a_folder_that_is_not_there(client: Client) -> None:
    told = said(client, folder_node("input/nowhere"))
    assert "There is no folder" in told
    assert "input/nowhere" in told


def test_a_folder_without_pictures(client: Client, server: Server) -> None:
    server.folder("input", "texts").mkdir(exist_ok=True)
    server.folder("input", "texts", "note.txt").write_text("no picture")
    told = said(client, folder_node("input/texts"))
    assert "input/texts" in told
    assert "picture" in told


def test_too_few_pictures_to_train_on(client: Client, server: Server) -> None:
    fill_folder(server.folder("input", "three"), "liked", 3, first=800)
    run = client.run(training("input/three"), timeout=SOON).expect_success()
    assert "3 of 10 liked pictures in input/three, seven to go" in run.outputs["train"]["summary"][0]
    assert "save" not in run.outputs


def test_one_broken_picture_is_left_out_and_named(client: Client, server: Server, taste: str) -> None:
    folder = fill_folder(server.folder("input", "with_broken"), "liked", 3, first=820)
    (folder / "broken.png").write_bytes(b"\x89PNG no picture")
    run = client.run(score_folder(taste, folder="input/with_broken", keep=0), timeout=SOON).expect_success()
    (summary,) = run.outputs["folder"]["summary"]
    assert "3 pictures" in summary
    assert "broken.png" in summary


@pytest.mark.parametrize(
    "content", [b"", b"not a checkpoint", b"\x10\x00\x00\x00\x00\x00\x00\x00{broken header}", b"\xff" * 64]
)
def test_a_corrupt_checkpoint(client: Client, server: Server, content: bytes) -> None:
    server.folder("models", "ganrm", "corrupt.safetensors").write_bytes(content)
    prompt = {"images": images("64x64"), "load": loaded("corrupt.safetensors"), "score": scored()}
    assert "corrupt.safetensors" in said(client, prompt)


def test_a_checkpoint_cut_short(client: Client, server: Server, taste: str) -> None:
    whole = server.folder("models", "ganrm", taste).read_bytes()
    server.folder("models", "ganrm", "cut.safetensors").write_bytes(whole[: len(whole) // 2])
    prompt = {"images": images("64x64"), "load": loaded("cut.safetensors"), "score": scored()}
    assert "cut.safetensors" in said(client, prompt)


def test_a_model_that_is_not_here_says_what_to_get_and_where_to_put_it(client: Client) -> None:
    prompt = {"images": images("64x64"), "load": loaded("from_a_friend.safetensors"), "score": scored()}
    told = said(client, prompt)
    assert "from_a_friend.safetensors" in told
    assert "models/ganrm" in told


def test_no_model_chosen_says_how_to_come_by_one(client: Client) -> None:
    prompt = {"images": images("64x64"), "load": node("GANRMLoadModel"), "score": scored()}
    assert "Train GAN-RM" in said(client, prompt)


def test_the_server_goes_on_after_an_error(client: Client, taste: str) -> None:
    prompt = {"images": images("64x64"), "load": loaded("nowhere.safetensors"), "score": scored()}
    said(client, prompt)
    client.run({**prompt, "load": loaded(taste)}, timeout=SOON).expect_success()


def alive(client: Client) -> dict[str, int]:
    names = [".RewardModel", ".ManagedReward", ".ManagedBackbone", "EfficientNet", "Backbone"]
    counts: dict[str, int] = client.post("/probe/gc", {"classes": names})["classes"]
    return counts


def test_free_lets_go_of_every_module_of_ours(client: Client, taste: str) -> None:
    prompt = {"images": images("64x64"), "load": loaded(taste), "score": scored()}
    client.run(prompt, timeout=SOON).expect_success()
    before = alive(client)
    assert before[".RewardModel"] >= 1
    assert before["Backbone"] >= 1
    client.free()
    # The server frees before its next prompt.
    client.run({"images": images("64x64"), "echo": node("ProbeEcho", label="free", value=["images", 0])})
    assert set(alive(client).values()) == {0}
    client.run(prompt, timeout=SOON).expect_success()


def test_free_after_training_lets_go_as_well(client: Client, server: Server) -> None:
    for kind in ("liked", "ordinary"):
        fill_folder(server.folder("input", f"freed_{kind}"), kind, 12, first=850)
    prompt = {
        **training("input/freed_liked", "input/freed_ordinary", name="freed"),
        "images": images("64x64, 64x64"),
        "best": best_of_n(reward=["train", 0]),
    }
    client.run(prompt, timeout=SOON).expect_success()
    assert alive(client)[".RewardModel"] >= 1
    client.free()
    client.run({"images": images("64x64"), "echo": node("ProbeEcho", label="free", value=["images", 0])})
    assert set(alive(client).values()) == {0}


def test_the_pack_works_without_what_it_needs_only_for_other_backbones(make_server: MakeServer) -> None:
    server = make_server(broken_modules=["transformers", "open_clip", "matplotlib", "peft"])
    assert PACK_FOLDER not in server.failed_imports(), server.log_tail()
    make_pictures(server)
    with server.client() as client:
        assert len(ours(client)) == NODES
        client.run(training(), timeout=SOON).expect_success()
        told = said(client, training(adapt="lora"))
        assert "lora" in told.lower()


def test_a_broken_torchvision_says_so_only_where_it_is_needed(make_server: MakeServer) -> None:
    server = make_server(broken_modules=["torchvision", "timm"])
    assert PACK_FOLDER not in server.failed_imports(), server.log_tail()
    make_pictures(server)
    with server.client() as client:
        assert len(ours(client)) == NODES
        client.run(folder_node("input/liked")).expect_success()
        assert "pip install timm torchvision" in said(client, training())


def ours(client: Client) -> list[str]:
    return [name for name in client.object_info() if name.startswith("GANRM")]
