"""The suite that runs a real ComfyUI server."""

from __future__ import annotations

from pathlib import Path

import pytest
from host_support.fixtures import (  # noqa: F401
    client,
    comfyui,
    make_server,
    server,
    skip_without_comfyui,
    tiny_generator,
)
from host_support.install import header
from host_support.pack_fixtures import pictures, taste  # noqa: F401


def pytest_report_header() -> str:
    return header()


def pytest_collection_modifyitems(items: list[pytest.Item], config: pytest.Config) -> None:
    skip_without_comfyui(items, config, Path(__file__).parent)
