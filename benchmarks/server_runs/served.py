"""A ComfyUI server with the pack, the tiny generator, small pictures and a trained model, in a folder of its own."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from host_support.fixtures import link_models
from host_support.install import HOW, find_comfyui
from host_support.pack_fixtures import make_pictures
from host_support.pack_prompts import training
from host_support.server import Server, link
from host_support.tiny_generator import write_tiny_generator
from host_support.tiny_rewards import put_networks

TASTE = "my_taste"
TEMPORARY = "tmp"
"""The server's folder for temporary files of its process, below its base directory."""

_STARTS = 1200
"""Seconds: machines that do other work besides are slow."""


@contextlib.contextmanager
def served(place: Path, *, packs: Sequence[Path] = (), networks: bool = False) -> Iterator[Server]:
    """A running server whose base directory is `place`/base, with the model `TASTE`; exits where there is no ComfyUI.

    packs: further node packs. networks: whether there are also tiny networks for the nodes that load published rewards
    """
    found = find_comfyui()
    if found is None:
        sys.exit(HOW)
    write_tiny_generator(place / "generator")
    server = Server(found, place / "base")
    link_models(place / "generator", server)
    make_pictures(server)
    server.folder(TEMPORARY).mkdir()
    for pack in packs:
        link(pack, server.folder("custom_nodes", pack.name))
    if networks:
        put_networks(server.folder("models"))
    # What the developer has set must neither be used nor filled.
    os.environ["TMPDIR"] = str(server.folder(TEMPORARY))
    os.environ.pop("GANRM_CACHE", None)
    try:
        server.start(_STARTS)
        with server.client() as client:
            client.run(training(name=TASTE), _STARTS).expect_success()
        yield server
    finally:
        server.stop()
