"""Hostile paths, bad folders, damaged checkpoints, released memory and missing packages on a real server."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from host_support.client import Client, PromptRefusedError
from host_support.drawn_pictures import fill_folder
from host_support.fixtures import MakeServer
from host_support.install import PACK
from host_support.pack_fixtures import make_pictures
from host_support.pack_prompts import (
    best_of_n,
    image_folder,
    loaded,
    save_images,
    saved_model,
    score_folder,
    scoring,
    training,
)
from host_support.prompts import Json, echo, images, node
from host_support.server import PACK_FOLDER, Server

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
        run = client.run(prompt)
    except PromptRefusedError as error:
        return str(error)
    assert run.error_message
    return run.error_message


def folder_node(folder: str) -> Json:
    return {"folder": image_folder(folder), "echo": echo("folder", ["folder", 1])}


def every_file(server: Server) -> set[Path]:
    """All files in the server's base directory but its packs."""
    return {path for path in server.base.rglob("*") if not path.is_relative_to(server.folder("custom_nodes"))}


@pytest.mark.parametrize("path", ESCAPES)
class TestEscapes:
    def test_reading(self, client: Client, taste: str, path: str) -> None:
        for prompt in (folder_node(path), score_folder(taste, folder=path)):
            told = said(client, prompt)
            assert any(word in told for word in ("not read from", "There is no folder")), told
        assert "not read from" in said(client, scoring(path))

    def test_writing(self, client: Client, server: Server, taste: str, path: str) -> None:
        grow = node("GANRMAddToDataset", images=["images", 0], dataset_name=path, pick="all")
        before = every_file(server)
        for prompt in (
            score_folder(taste, save_to=path),
            {"load": loaded(taste), "save": saved_model("load", path)},
            {"images": images("64x64"), "grow": grow},
        ):
            assert "not written to" in said(client, prompt)
        assert every_file(server) == before

    def test_saving_pictures(self, client: Client, server: Server, path: str) -> None:
        prefix = f"{path}/x" if not path.endswith("x") else path
        saving = save_images("images", prefix)
        outside = {each for each in every_file(server) if not each.is_relative_to(server.folder("output"))}
        with contextlib.suppress(PromptRefusedError):
            client.run({"images": images("64x64"), "save": saving})
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
        "any": node("ProbePass", value=["text", 0]),
    }
    prompt["folder"]["inputs"]["folder"] = ["any", 0]
    assert "not read from" in said(client, prompt)


@pytest.mark.parametrize(
    "content", [b"", b"not a checkpoint", b"\x10\x00\x00\x00\x00\x00\x00\x00{broken header}", b"\xff" * 64]
)
def test_a_corrupt_checkpoint(client: Client, server: Server, content: bytes) -> None:
    server.folder("models", "ganrm", "corrupt.safetensors").write_bytes(content)
    assert "corrupt.safetensors" in said(client, scoring("corrupt.safetensors"))


def test_the_server_goes_on_after_a_model_that_is_not_here(client: Client, taste: str) -> None:
    told = said(client, scoring("from_a_friend.safetensors"))
    assert "from_a_friend.safetensors" in told
    assert "models/ganrm" in told
    client.run(scoring(taste)).expect_success()


def alive(client: Client) -> dict[str, int]:
    names = [".RewardModel", ".ManagedReward", ".ManagedBackbone", "EfficientNet", "Backbone"]
    counts: dict[str, int] = client.post("/probe/gc", names)
    return counts


def assert_freed(client: Client) -> None:
    """Free lets go of every module of ours; the server frees before its next prompt."""
    before = alive(client)
    assert before[".RewardModel"] >= 1
    assert before["Backbone"] >= 1
    client.free()
    client.run({"images": images("64x64"), "echo": echo("free", ["images", 0])})
    assert set(alive(client).values()) == {0}


def test_free_after_scoring_lets_go_of_every_module(client: Client, taste: str) -> None:
    client.run(scoring(taste)).expect_success()
    assert_freed(client)
    client.run(scoring(taste)).expect_success()


def test_free_after_training_lets_go_as_well(client: Client, server: Server) -> None:
    for kind in ("liked", "ordinary"):
        fill_folder(server.folder("input", f"freed_{kind}"), kind, 12, first=850)
    prompt = {
        **training("input/freed_liked", "input/freed_ordinary", name="freed"),
        "images": images("64x64, 64x64"),
        "best": best_of_n(reward=["train", 0]),
    }
    client.run(prompt).expect_success()
    assert_freed(client)


@pytest.mark.parametrize(
    ("broken", "trains", "fails", "words"),
    [
        (["transformers", "open_clip", "matplotlib", "peft"], True, training(adapt="lora"), "lora"),
        (["torchvision", "timm"], False, training(), "pip install timm torchvision"),
    ],
)
def test_a_missing_package_disables_only_what_needs_it(
    make_server: MakeServer, broken: list[str], trains: bool, fails: Json, words: str
) -> None:
    server = make_server(broken_modules=broken)
    assert PACK_FOLDER not in server.failed_imports(), server.log_tail()
    make_pictures(server)
    with server.client() as client:
        assert len([name for name in client.object_info() if name.startswith("GANRM")]) == NODES
        client.run(training() if trains else folder_node("input/liked")).expect_success()
        assert words in said(client, fails).lower()
