"""Browser suite fixtures: a real server per page version, headless Chromium, pages that must not complain."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from browser_support.frontends import Frontend, frontends
from browser_support.page import ComfyPage, OpenPage, chromium_path, launch_chromium, open_page
from host_support.fixtures import comfyui, link_models, skip_without_comfyui, tiny_generator  # noqa: F401
from host_support.install import ComfyUI, header
from host_support.pack_fixtures import make_pictures
from host_support.pack_prompts import shipped_models
from host_support.server import Server, link
from host_support.tiny_generator import CHECKPOINT

if TYPE_CHECKING:
    from playwright.sync_api import Browser


def pytest_report_header() -> str:
    return header()


def pytest_collection_modifyitems(items: list[pytest.Item], config: pytest.Config) -> None:
    skip_without_comfyui(items, config, Path(__file__).parent)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Headless Chromium."""
    playwright = pytest.importorskip("playwright.sync_api", reason="needs the package playwright")
    if chromium_path() is None:
        pytest.skip("no Chromium found: set CHROMIUM to its program")
    with playwright.sync_playwright() as started:
        launched = launch_chromium(started)
        yield launched
        launched.close()


@pytest.fixture(scope="session", params=frontends(), ids=lambda frontend: frontend.label)
def frontend(request: pytest.FixtureRequest) -> Frontend:
    chosen: Frontend = request.param
    return chosen


@pytest.fixture(scope="session")
def page_server(
    frontend: Frontend,
    comfyui: ComfyUI,  # noqa: F811
    tiny_generator: Path,  # noqa: F811
) -> Iterator[Server]:
    """A server with this page version, the pack, the tiny generator and pictures to train on."""
    args = ["--front-end-root", str(frontend.root)] if frontend.root else []
    with tempfile.TemporaryDirectory(prefix="comfyui-page-") as base:
        server = Server(comfyui, Path(base), args=args)
        link_models(tiny_generator, server)
        # The names that the shipped workflows ask for: the page would offer to fetch them.
        for model in shipped_models():
            folder = server.folder("models", model["directory"])
            folder.mkdir(parents=True, exist_ok=True)
            link(server.folder("models", "checkpoints", CHECKPOINT), folder / model["name"])
        make_pictures(server)
        with server:
            yield server


@pytest.fixture
def open_comfy(browser: Browser, page_server: Server) -> OpenPage:
    """`with open_comfy(nodes="vue", pixel_ratio=2, …) as page`: a page of the test's own.

    On leaving, the test fails if the page complained in its console, or showed a toast, an alert or a dialog, that
    the test neither cleared nor asked for.
    """

    @contextmanager
    def open_watched(**options: Any) -> Iterator[ComfyPage]:
        with open_page(browser, page_server.url, **options) as opened:
            yield opened
            complaints = [*map(str, opened.console.unexpected()), *opened.unexpected_notices()]
        assert not complaints, "\n".join(complaints)

    return open_watched


@pytest.fixture
def page(open_comfy: OpenPage) -> Iterator[ComfyPage]:
    """A fresh page on an empty graph."""
    with open_comfy() as opened:
        yield opened


@pytest.fixture
def default_page(open_comfy: OpenPage, page_server: Server) -> Iterator[ComfyPage]:
    """A fresh page with the settings it has when it is first installed."""
    page_server.folder("user", "default", "comfy.settings.json").unlink(missing_ok=True)
    with open_comfy(untouched=True) as opened:
        yield opened
