"""Newer hosts list the pack's blueprints."""

from __future__ import annotations

import json

import pytest
from host_support.client import Client
from host_support.install import PACK
from host_support.server import PACK_FOLDER


def test_the_server_lists_and_serves_them(client: Client) -> None:
    if "GLSLShader" not in client.object_info():  # as old as the list of blueprints
        pytest.skip("this ComfyUI has no blueprints")
    listed = client.get("/global_subgraphs")
    ours = {
        each["name"]: key
        for key, each in listed.items()
        if each["info"]["node_pack"] == f"custom_nodes.{PACK_FOLDER}"
    }
    files = {path.stem: path for path in (PACK / "subgraphs").glob("*.json")}
    assert len(files) == 3
    assert set(ours) == set(files)
    for name, key in ours.items():
        served = json.loads(client.get(f"/global_subgraphs/{key}")["data"])
        assert served == json.loads(files[name].read_text(encoding="utf-8"))
