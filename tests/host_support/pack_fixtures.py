"""Pytest fixtures of the tests that run the pack's own nodes: pictures to train on, a trained model."""

from __future__ import annotations

import pytest

from host_support.drawn_pictures import fill_folder
from host_support.pack_prompts import training
from host_support.server import Server

COUNT = 14
MODEL = "my_taste.safetensors"


@pytest.fixture(scope="session")
def pictures(server: Server) -> int:
    """How many pictures lie in each of input/liked, ordinary, liked_test and ordinary_test."""
    make_pictures(server)
    return COUNT


@pytest.fixture(scope="session")
def taste(server: Server, pictures: int) -> str:
    """The name of a model that was trained on the server and saved in models/ganrm."""
    with server.client() as client:
        run = client.run(training(name="my_taste"), timeout=300).expect_success()
        assert run.outputs["save"]["path"] == [MODEL]
    return MODEL


def make_pictures(server: Server) -> None:
    for kind in ("liked", "ordinary"):
        fill_folder(server.folder("input", kind), kind, COUNT)
        fill_folder(server.folder("input", f"{kind}_test"), kind, COUNT, first=100)
