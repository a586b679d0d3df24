"""Makes the shipped workflows in ComfyUI's real page, and the pictures that show them.

    python scripts/make_workflows.py            # workflows/*.json and workflows/api/*.json
    python scripts/make_workflows.py --pictures # runs them too: thumbnails, help pages, README

Needs a ComfyUI (see tests/host), the packages playwright and aiohttp, and Chromium. With --pictures also
the extra [demo], whose real pictures fill the folders. No checkpoint of a real generator is at hand there:
a tiny one samples, and real pictures stand where its patches would be.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests"), str(ROOT / "scripts")]

from browser_support.make_workflow import write_workflow  # noqa: E402
from browser_support.page import ComfyPage, launch_chromium, open_page  # noqa: E402
from browser_support.pictures import node_screenshot, screenshot, thumbnail  # noqa: E402
from host_support.install import find_comfyui  # noqa: E402
from host_support.server import Server, link  # noqa: E402
from host_support.tiny_generator import CHECKPOINT, write_tiny_generator  # noqa: E402
from workflow_graphs import UNUSED, WORKFLOWS, Graph  # noqa: E402
from workflow_pictures import fill_folders, stand_in_pack  # noqa: E402

FOLDER = ROOT / "workflows"
HELP = ROOT / "nodes" / "web" / "docs" / "images"
README = ROOT / "docs" / "images"
_STEPS = {"KSampler": 2, "GANRMBestOfNSampler": 10}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--pictures", action="store_true", help="run the workflows and take the pictures")
    parser.add_argument(
        "--only",
        nargs="+",
        default=[],
        metavar="NAME",
        help="pictures of these alone; others may need the first",
    )
    options = parser.parse_args()
    with _server(options.pictures) as server, _pages(server) as page:
        for make in WORKFLOWS:
            graph = make()
            write_workflow(page, graph.name, graph.prompt, graph.layout, FOLDER)
            print(graph.name)
        if options.pictures:
            for makers, show in ((WORKFLOWS, _show), (UNUSED, _show_unused)):
                for graph in (make() for make in makers):
                    if graph.name in (options.only or [graph.name]):
                        show(page, graph)


@contextmanager
def _server(pictures: bool) -> Iterator[Server]:
    comfyui = find_comfyui()
    if comfyui is None:
        raise SystemExit("No ComfyUI found: set COMFYUI_PATH.")
    with tempfile.TemporaryDirectory(prefix="workflows-") as base:
        home = Path(base) / "comfyui"
        packs = {"stand_in.py": stand_in_pack(Path(base), home / "candidates")} if pictures else {}
        server = Server(comfyui, home, packs=packs)
        if pictures:
            write_tiny_generator(server.folder("models"))
            checkpoints = server.folder("models", "checkpoints")
            link(checkpoints / CHECKPOINT, checkpoints / "sd_xl_base_1.0.safetensors")
            fill_folders(home)
        with server:
            yield server


@contextmanager
def _pages(server: Server) -> Iterator[ComfyPage]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = launch_chromium(playwright)
        with open_page(browser, server.url, pixel_ratio=2) as page:
            yield page
        browser.close()


def _show(page: ComfyPage, graph: Graph) -> None:
    """Open the file as an artist does, run it, and take its pictures."""
    page.drop_file(FOLDER / f"{graph.name}.json")
    for node_id, value in _settings(graph):
        page.set_widget(node_id, *value)
    page.run_and_wait(seconds=900)
    if graph.name == "ganrm_6_grow_your_dataset":
        number = next(n for n, node in graph.prompt.items() if node["class_type"] == "GANRMAddToDataset")
        page.set_widget(int(number), "pick", "3 6 11 14")
        page.run_and_wait(seconds=900)
    for node_id, (widget, _) in _settings(graph):
        page.set_widget(node_id, widget, graph.prompt[str(node_id)]["inputs"][widget])
    face = next(n for n, node in graph.prompt.items() if node["class_type"] == graph.face)
    thumbnail(page, int(face), FOLDER / f"{graph.name}.jpg")
    screenshot(page, README / f"{graph.name}.jpg")
    for number, node in graph.prompt.items():
        picture = HELP / f"{node['class_type']}.jpg"
        if node["class_type"].startswith("GANRM"):
            node_screenshot(page, int(number), picture)
    print(f"{graph.name}: run and pictured", flush=True)


def _show_unused(page: ComfyPage, graph: Graph) -> None:
    """The nodes that stand in no workflow; bootstrapping is run for it."""
    with tempfile.TemporaryDirectory() as folder:
        page.drop_file(write_workflow(page, graph.name, graph.prompt, graph.layout, Path(folder))[0])
    if graph.face == "GANRMBootstrap":
        page.run_and_wait(seconds=900)
    number = next(n for n, node in graph.prompt.items() if node["class_type"] == graph.face)
    node_screenshot(page, int(number), HELP / f"{graph.face}.jpg")


def _settings(graph: Graph) -> Iterator[tuple[int, tuple[str, Any]]]:
    """Small and quick where the size of the sampled patches does not show."""
    for number, node in graph.prompt.items():
        if node["class_type"] in _STEPS:
            yield int(number), ("steps", _STEPS[node["class_type"]])
        if node["class_type"] == "EmptyLatentImage":
            yield int(number), ("width", 64)
            yield int(number), ("height", 64)


if __name__ == "__main__":
    main()
