"""Generator of the shipped workflows and their screenshots, by ComfyUI's real page.

    python scripts/make_workflows.py            # workflows/*.json and workflows/api/*.json
    python scripts/make_workflows.py --pictures # runs them too: thumbnails, help pages, README

Needs a ComfyUI (see tests/host), the packages playwright and aiohttp, and Chromium. With --pictures also
the extra [demo], whose real pictures fill the folders. No real generator is needed:
a tiny one samples, and real images replace its outputs. Workflows 10 to 12 are run on the benchmark's shapes.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests"), str(ROOT / "scripts")]

import shape_pictures  # noqa: E402
from browser_support.make_workflow import write_workflow  # noqa: E402
from browser_support.page import ComfyPage, launch_chromium, open_page  # noqa: E402
from browser_support.pictures import node_images, node_screenshot, screenshot  # noqa: E402
from contract_support.tiny_networks import put_clip_halves  # noqa: E402
from help_graphs import HELP_GRAPHS  # noqa: E402
from host_support.install import find_comfyui  # noqa: E402
from host_support.server import Server, link  # noqa: E402
from host_support.tiny_generator import CHECKPOINT, write_tiny_generator  # noqa: E402
from PIL import Image  # noqa: E402
from published_pictures import save_card, save_help_picture, save_variants_card  # noqa: E402
from template_cards import below_heading, first_pictures, grid, rows_of_pictures, template_card  # noqa: E402
from unit_support.tiny_chat_models import write_qwen2_vl  # noqa: E402
from workflow_graphs import WORKFLOWS, Graph  # noqa: E402
from workflow_parts import CHECKPOINT as SHIPPED_CHECKPOINT  # noqa: E402
from workflow_parts import JUDGE  # noqa: E402
from workflow_pictures import fill_folders, stand_in_pack  # noqa: E402

FOLDER = ROOT / "workflows"
README = ROOT / "docs" / "images"
README_PICTURES = {"2 Best 4 of 16": "best_4_of_16.jpg"}
_SHEETS = (
    "GANRMAddToDataset",
    "GANRMBestOfN",
    "GANRMBestOfNSampler",
    "GANRMCullFolder",
    "GANRMScoreFolder",
)
_TRAININGS = ("GANRMTrainOnGroups", "GANRMAdversarialTraining")
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
    with _server(lambda _: None) as server, _pages(server) as page:
        for make in WORKFLOWS:
            graph = make()
            write_workflow(page, graph.name, graph.prompt, graph.layout, FOLDER)
            print(graph.name)
    if options.pictures:
        chosen = [graph for make in WORKFLOWS if _is_chosen(graph := make(), options.only)]
        helped = [graph for make in HELP_GRAPHS if _is_chosen(graph := make(), options.only)]
        alike = [graph for graph in chosen if graph.like]
        trained = [graph for graph in chosen if any(any(_numbers(graph, kind)) for kind in _TRAININGS)]
        others = [graph for graph in chosen if graph not in (*trained, *alike)]
        if others or helped:
            with _server(_real_pictures) as server, _pages(server) as page:
                for graph in others:
                    _show(page, server, graph)
                for graph in helped:
                    _show_for_help(page, graph)
        if trained:
            with _server(_shapes) as server, _pages(server) as page:
                for graph in trained:
                    _show_training(page, server, graph)
        for graph in alike:
            with Image.open(FOLDER / f"{graph.like}.jpg") as card:
                save_variants_card(template_card(graph.words, [first_pictures(card)]), graph.name)


def _is_chosen(graph: Graph, only: list[str]) -> bool:
    return graph.name in (only or [graph.name])


@contextmanager
def _server(prepare: Callable[[Server], None]) -> Iterator[Server]:
    comfyui = find_comfyui()
    if comfyui is None:
        raise SystemExit("No ComfyUI found: set COMFYUI_PATH.")
    with tempfile.TemporaryDirectory(prefix="workflows-") as base:
        server = Server(comfyui, Path(base) / "comfyui")
        prepare(server)
        with server:
            yield server


def _real_pictures(server: Server) -> None:
    """Folders of real pictures, a tiny generator whose pictures are replaced by them, and a tiny judge."""
    stand_in = stand_in_pack(server.base.parent, server.base / "candidates")
    link(stand_in, server.folder("custom_nodes", stand_in.name))
    write_tiny_generator(server.folder("models"))
    checkpoints = server.folder("models", "checkpoints")
    link(checkpoints / CHECKPOINT, checkpoints / SHIPPED_CHECKPOINT)
    write_qwen2_vl(server.folder("models", *JUDGE.split("/")))
    fill_folders(server.base)
    _small_clip(server)


def _small_clip(server: Server) -> None:
    """A CLIP of random weights under the name that workflow 13 asks for."""
    put_clip_halves(server.folder("models"))
    vision = server.folder("models", "clip_vision", "vision.safetensors")
    vision.rename(vision.with_name("clip-vit-large-patch14.safetensors"))


def _shapes(server: Server) -> None:
    """A generator that can be trained in a minute, and a taste for it."""
    shapes = shape_pictures.shapes_pack(server.base.parent)
    link(shapes, server.folder("custom_nodes", shapes.name))
    shape_pictures.save_taste(
        server.folder("models", "ganrm", "my_taste.safetensors"), server.folder("input", "liked")
    )
    shape_pictures.fill_folders(server.folder("input"))
    checkpoint = server.folder("models", "checkpoints", SHIPPED_CHECKPOINT)
    checkpoint.parent.mkdir(parents=True, exist_ok=True)
    checkpoint.touch()


@contextmanager
def _pages(server: Server) -> Iterator[ComfyPage]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = launch_chromium(playwright)
        with open_page(browser, server.url, pixel_ratio=2) as page:
            yield page
        browser.close()


def _show(page: ComfyPage, server: Server, graph: Graph) -> None:
    """Open the workflow file in the page, run it, and take its screenshots."""
    page.drop_file(FOLDER / f"{graph.name}.json")
    for node_id, value in _settings(graph):
        page.set_widget(node_id, *value)
    page.run_and_wait(seconds=900)
    for number in _numbers(graph, "GANRMAddToDataset"):
        page.set_widget(number, "pick", "3 6 11 14")
        page.run_and_wait(seconds=900)
    for node_id, (widget, _) in _settings(graph):
        page.set_widget(node_id, widget, graph.prompt[str(node_id)]["inputs"][widget])
    _take_pictures(page, server, graph)


def _show_training(page: ComfyPage, server: Server, graph: Graph) -> None:
    """The same with settings that suit the generator of shapes; they stay, since the pictures show them."""
    page.drop_file(FOLDER / f"{graph.name}.json")
    for kind, settings in shape_pictures.SETTINGS.items():
        for number in _numbers(graph, kind):
            for widget, value in settings.items():
                page.set_widget(number, widget, value)
    page.run_and_wait(seconds=1800)
    _take_pictures(page, server, graph)


def _take_pictures(page: ComfyPage, server: Server, graph: Graph) -> None:
    faces = [_face(page, server, graph, face) for face in graph.faces]
    inset = _face(page, server, graph, graph.inset) if graph.inset else None
    save_card(template_card(graph.words, faces, inset), graph.name)
    if graph.name in README_PICTURES:
        screenshot(page, README / README_PICTURES[graph.name], width=2000)
    for number, node in graph.prompt.items():
        if node["class_type"].startswith("GANRM"):
            save_help_picture(node_screenshot(page, int(number)), node["class_type"])
    print(f"{graph.name}: run and pictured", flush=True)


def _face(page: ComfyPage, server: Server, graph: Graph, face: str) -> Image.Image:
    """The first image a node class shows (contact sheets without heading), or a folder's first images."""
    if "/" in face:
        paths = sorted(server.folder(*face.split("/")).iterdir())[:4]
        return grid([Image.open(path) for path in paths])
    picture = node_images(page, next(_numbers(graph, face)))[0]
    if face in _TRAININGS:
        return rows_of_pictures(picture)
    return below_heading(picture, 1 / len(graph.faces)) if face in _SHEETS else picture


def _show_for_help(page: ComfyPage, graph: Graph) -> None:
    """Screenshots of nodes that no workflow uses; those that show a result are run for it."""
    (face,) = graph.faces
    with tempfile.TemporaryDirectory() as folder:
        page.drop_file(write_workflow(page, graph.name, graph.prompt, graph.layout, Path(folder))[0])
    if face in ("GANRMBootstrap", "GANRMTasteCard"):
        page.run_and_wait(seconds=900)
    save_help_picture(node_screenshot(page, next(_numbers(graph, face))), face)


def _numbers(graph: Graph, kind: str) -> Iterator[int]:
    return (int(number) for number, node in graph.prompt.items() if node["class_type"] == kind)


def _settings(graph: Graph) -> Iterator[tuple[int, tuple[str, Any]]]:
    """Small sizes and few steps where the result does not show."""
    for number, node in graph.prompt.items():
        if node["class_type"] in _STEPS:
            yield int(number), ("steps", _STEPS[node["class_type"]])
        if node["class_type"] == "EmptyLatentImage":
            yield int(number), ("width", 64)
            yield int(number), ("height", 64)


if __name__ == "__main__":
    main()
