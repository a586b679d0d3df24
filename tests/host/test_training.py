"""Train GAN-RM on a real server: progress and previews, cached results, Cancel."""

from __future__ import annotations

from pathlib import Path

import pytest
from host_support.client import Client
from host_support.drawn_pictures import fill_folder
from host_support.fixtures import MakeServer
from host_support.pack_fixtures import make_pictures
from host_support.pack_prompts import score_folder, scoring, training
from host_support.prompts import Json
from host_support.run import Event, Run
from host_support.server import Server

REUSED = "Reused: nothing had changed."

pytestmark = pytest.mark.usefixtures("pictures")


def summary(run: Run) -> str:
    return str(run.outputs["train"]["summary"][0])


def files_below(*folders: Path) -> set[Path]:
    return {path for folder in folders for path in folder.rglob("*") if path.is_file()}


def kept(server: Server) -> set[Path]:
    """Everything a training leaves behind for good."""
    return files_below(server.folder("models", "ganrm"), server.folder("user", "__ganrm"))


def other_folders(server: Server, name: str, first: int) -> dict[str, str]:
    """Folders no other test trains on."""
    for kind in ("liked", "ordinary"):
        fill_folder(server.folder("input", f"{name}_{kind}"), kind, 12, first=first)
    return {"liked": f"input/{name}_liked", "ordinary": f"input/{name}_ordinary"}


def test_progress_and_a_live_plot_are_seen_while_it_trains(client: Client, server: Server) -> None:
    run = client.run(training(**other_folders(server, "seen", 200), views=2)).expect_success()
    progress = run.progress_of("train")
    assert len(progress) > 5
    assert all(0 <= value <= most for value, most in progress)
    assert len({most for _, most in progress}) > 1, "each stage counts its own steps"
    previews = run.previews_of("train")
    assert len({preview.data for preview in previews}) >= 3
    assert all(min(preview.image.size) > 200 for preview in previews)
    end = next(e.at for e in run.events if e.kind == "executed" and e.data["node"] == "train")
    assert previews[0].at < end
    # The page keeps the last preview on the node: it has to be the report card.
    (card,) = run.outputs["train"]["images"]
    width, height = client.image(**card).size
    last = previews[-1].image
    assert last.width / last.height == pytest.approx(width / height, rel=0.02)


@pytest.mark.usefixtures("taste")
def test_the_same_prompt_again_is_served_from_cache(client: Client) -> None:
    prompt = training(name="my_taste")
    run = client.run(prompt).expect_success()
    shown = run.history()["outputs"]["train"]
    assert all(isinstance(value, list) for value in shown.values()), "what a script sees"
    assert 0 <= shown["auc"][0] <= 1
    assert shown["loss"] == []  # a linear head has no steps
    again = client.run(prompt).expect_success()
    assert again.executed == []
    assert set(again.cached) == set(prompt)


def test_a_new_picture_trains_again_and_its_removal_brings_the_old_model_back(
    client: Client, server: Server
) -> None:
    prompt = training(**other_folders(server, "changed", 300))
    first = client.run(prompt).expect_success()
    fill_folder(server.folder("input", "changed_liked"), "liked", 1, first=390)
    second = client.run(prompt).expect_success()
    assert {"liked", "train"} <= set(second.executed)
    assert "ordinary" in second.cached
    assert "13 liked and 12 ordinary" in summary(second)
    assert REUSED not in summary(first) + summary(second)
    server.folder("input", "changed_liked", "liked390.png").unlink()
    third = client.run(prompt).expect_success()
    assert REUSED in summary(third)
    assert "12 liked and 12 ordinary" in summary(third)


def test_unchanged_folders_are_not_trained_on_again_after_a_restart(make_server: MakeServer) -> None:
    server = make_server()
    make_pictures(server)
    prompt = training()
    with server.client() as before:
        first = before.run(prompt).expect_success()
    models = kept(server)
    server.restart(kill=True)
    with server.client() as after:
        second = after.run(prompt).expect_success()
    assert REUSED in summary(second)
    assert second.outputs["train"]["auc"] == first.outputs["train"]["auc"]
    assert second.outputs["save"]["path"] == first.outputs["save"]["path"]
    assert kept(server) == models


def cancelled(client: Client, prompt: Json, key: str, over: int = 0) -> Run:
    """The run, cancelled between the first and the last step of a node's progress of more than `over` steps."""

    def midway(event: Event) -> bool:
        data = event.data
        return event.kind == "progress" and data["node"] == key and 1 <= data["value"] < data["max"] > over

    run = client.start(prompt)
    run.wait_for(midway)
    client.interrupt()
    assert run.wait().interrupted
    assert not run.succeeded
    return run


def test_cancel_in_the_middle_of_training_leaves_nothing_behind(client: Client, server: Server) -> None:
    prompt = training(**other_folders(server, "cancelled", 600), views=8, name="cancelled")
    before = kept(server)
    # More than 12 steps: past the hashing of the files.
    done, most = cancelled(client, prompt, "train", over=12).progress_of("train")[-1]
    assert done < most, "Cancel waited for all the pictures"
    assert kept(server) == before
    assert client.run(prompt).expect_success().outputs["save"]["path"] == ["cancelled.safetensors"]


def test_cancel_in_the_middle_of_scoring_and_then_scoring_it_all(client: Client, taste: str) -> None:
    cancelled(client, scoring(taste, ", ".join(["64x64"] * 600)), "score")
    run = client.run(scoring(taste, "64x64, 64x64")).expect_success()
    assert len(run.outputs["score"]["scores"]) == 2


def test_cancel_in_the_middle_of_scoring_a_folder_copies_nothing(
    client: Client, server: Server, taste: str
) -> None:
    fill_folder(server.folder("input", "many"), "ordinary", 400, first=1000)
    cancelled(client, score_folder(taste, folder="input/many", save_to="never"), "folder")
    assert [path for path in server.folder("output").rglob("*") if "never" in path.name] == []
