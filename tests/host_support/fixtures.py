"""Pytest fixtures of the suites that need a ComfyUI; a conftest takes them over by importing them."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from host_support.client import Client
from host_support.install import HOW, ComfyUI, find_comfyui
from host_support.server import Server, link
from host_support.tiny_generator import write_tiny_generator

MakeServer = Callable[..., Server]


@pytest.fixture(scope="session")
def comfyui() -> ComfyUI:
    """The installation under test."""
    found = find_comfyui()
    if found is None:
        pytest.skip(HOW)
    return found


@pytest.fixture(scope="session")
def tiny_generator() -> Iterator[Path]:
    """A models folder with the tiny generator's checkpoint and VAE."""
    # pytest's own temporary folders stay for three runs, too long for files this large.
    with tempfile.TemporaryDirectory(prefix="tiny-generator-") as folder:
        write_tiny_generator(Path(folder))
        yield Path(folder)


@pytest.fixture(scope="session")
def server(comfyui: ComfyUI, tiny_generator: Path) -> Iterator[Server]:
    """The server most tests share: this pack, the probe pack, the tiny generator's files."""
    with tempfile.TemporaryDirectory(prefix="comfyui-test-") as base:
        shared = Server(comfyui, Path(base))
        link_models(tiny_generator, shared)
        with shared:
            yield shared


@pytest.fixture
def client(server: Server) -> Iterator[Client]:
    """A new client of the shared server; whatever a test left running or queued is cancelled after it."""
    with server.client() as connected:
        connected.request("DELETE", "/probe/echo")
        yield connected
        connected.settle()


@pytest.fixture
def make_server(comfyui: ComfyUI) -> Iterator[MakeServer]:
    """make_server(**options of Server) → a started server of the test's own, removed after it."""
    servers: list[Server] = []

    def make(**options: Any) -> Server:
        servers.append(Server(comfyui, Path(tempfile.mkdtemp(prefix="comfyui-test-")), **options))
        return servers[-1].start()

    yield make
    for made in servers:
        made.stop()
        shutil.rmtree(made.base)


def skip_without_comfyui(items: list[pytest.Item], config: pytest.Config, folder: Path) -> None:
    """Leaves one skipped test of a folder's where no ComfyUI is at hand: one line says it, not one per test."""
    ours = [item for item in items if item.path.is_relative_to(folder)]
    if find_comfyui() is not None or not ours:
        return
    ours[0].add_marker(pytest.mark.skip(reason=HOW))
    items[:] = [item for item in items if item not in ours[1:]]
    config.hook.pytest_deselected(items=ours[1:])


def link_models(models: Path, server: Server) -> None:
    """Links the files of another models folder into the server's."""
    for source in models.glob("*/*.safetensors"):
        target = server.folder("models", source.parent.name, source.name)
        target.parent.mkdir(parents=True, exist_ok=True)
        link(source, target)
