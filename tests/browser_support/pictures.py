"""Pictures of the page as pixels: those its nodes show, screenshots of nodes and of the whole graph."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from .page import ComfyPage

_MARGIN = 24
_LARGEST_WINDOW = 3200  # CSS pixels; what a software-rendered page still draws in a second
# Hides menus, panels, dialogs, toasts. By inheritance, so that what the page hides within nodes stays hidden.
_BARE_GRAPH = """
body { visibility: hidden; }
#graph-canvas, .dom-widget, .lg-node { visibility: visible; }
"""


def node_images(page: ComfyPage, node_id: int) -> list[Image.Image]:
    """The pictures (RGB, full size) that the node shows, of its latest run."""
    page.raw.wait_for_function("id => Boolean(__harness.freshPictures(id))", arg=node_id, timeout=15_000)
    urls = page.raw.evaluate("id => __harness.pictures(id).map(__harness.dataUrl)", node_id)
    return [_decode(url) for url in urls]


def node_image(page: ComfyPage, node_id: int) -> Image.Image:
    """The node's only picture; an AssertionError if it shows more."""
    images = node_images(page, node_id)
    if len(images) != 1:
        raise AssertionError(f"node {node_id} shows {len(images)} pictures, not one")
    return images[0]


def shown_picture(page: ComfyPage, node_id: int) -> Image.Image:
    """The node's first picture as it is on the screen: cut out of a screenshot, at the screen's size.

    Unlike `node_image` this proves that nothing covers it and that the page really drew it.
    """
    node_images(page, node_id)
    with _bare(page):
        _show_node(page, node_id)
        boxes = page.raw.evaluate("id => __harness.pictureBoxes(id)", node_id)
        if not boxes:
            raise AssertionError(f"node {node_id} holds a picture but does not draw it")
        return _cut(page, boxes[0])


def node_screenshot(page: ComfyPage, node_id: int, path: Path | None = None) -> Image.Image:
    """The whole node, title included, at most at its own size times the pixel ratio."""
    with _bare(page):
        picture = _cut(page, _show_node(page, node_id))
    if path is not None:
        save_picture(picture, path)
    return picture


def watch_previews(page: ComfyPage, node_id: int) -> None:
    """From now to the end of the next run, copy every new picture that the node shows."""
    page.raw.evaluate("id => __harness.watch(id)", node_id)


def previews_seen(page: ComfyPage, node_id: int) -> list[Image.Image]:
    """The live previews that the node was seen showing while the run went on, in order."""
    return [_decode(url) for url in page.raw.evaluate("id => __harness.previews(id)", node_id)]


def wait_preview(page: ComfyPage, node_id: int) -> Image.Image:
    """Wait, in the middle of a watched run, for the node's first live preview."""
    page.raw.wait_for_function("id => __harness.previews(id).length > 0", arg=node_id, timeout=30_000)
    return previews_seen(page, node_id)[0]


def screenshot(page: ComfyPage, path: Path, width: int) -> Image.Image:
    """Save a picture of the bare graph, cut to its bounds and shrunk to a width; JPEG or PNG by the suffix."""
    bounds = page.raw.evaluate("__harness.graphBounds()")
    before: Any = page.raw.viewport_size
    canvas = _canvas(page)
    # Page 1.27 keeps its menus beside the canvas, page 1.58 above it.
    beside = {"width": before["width"] - canvas["width"], "height": before["height"] - canvas["height"]}
    window = {
        side: min(_LARGEST_WINDOW, max(400, round(bounds[side] + beside[side]) + 2 * _MARGIN))
        for side in beside
    }
    try:
        page.raw.set_viewport_size(cast(Any, window))
        with _bare(page):
            box = _show(page, bounds)
            grown = {"x": box["x"] - _MARGIN, "y": box["y"] - _MARGIN}
            picture = _cut(page, grown | {side: box[side] + 2 * _MARGIN for side in beside})
    finally:
        page.raw.set_viewport_size(before)
    if width < picture.width:
        height = round(picture.height * width / picture.width)
        picture = picture.resize((width, height), Image.Resampling.LANCZOS)
    save_picture(picture, path)
    return picture


def near(picture: Image.Image, colour: tuple[int, int, int], distance: int) -> np.ndarray:
    """[H, W] bool: pixels whose channels all lie within a distance (of 255) of a colour."""
    pixels = np.asarray(picture.convert("RGB"), dtype=np.int16)
    close: np.ndarray = np.abs(pixels - np.array(colour)).max(axis=-1) <= distance
    return close


def save_picture(picture: Image.Image, path: Path) -> None:
    """JPEG or PNG by the suffix; the folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path, quality=90, optimize=True)  # PNG ignores the quality


def _show_node(page: ComfyPage, node_id: int) -> dict[str, float]:
    return _show(page, page.raw.evaluate("id => __harness.nodeBounds(id)", node_id))


def _show(page: ComfyPage, bounds: dict[str, float]) -> dict[str, float]:
    """Bring a box of the graph to the middle of the canvas, at its own size if it fits."""
    # Where the mouse rests, the page lights pictures up.
    page.raw.mouse.move(1, 1)
    page.raw.evaluate(
        "app.canvas.deselectAll?.(); app.canvas.graph_mouse[0] = app.canvas.graph_mouse[1] = -1e6"
    )
    window: Any = page.raw.viewport_size
    # The canvas follows a new window size a little later.
    page.raw.wait_for_function(_CANVAS_FILLS, arg=window)
    canvas = _canvas(page)
    left, top = canvas["x"] + _MARGIN, canvas["y"] + _MARGIN
    size = {"width": window["width"] - _MARGIN - left, "height": window["height"] - _MARGIN - top}
    placed = page.raw.evaluate(
        "async ([b, f]) => { await __harness.frames(3); return __harness.show(b, f, 1) }",
        [bounds, {"x": left, "y": top, **size}],
    )
    page.raw.wait_for_timeout(150)  # note and text widgets are placed over the canvas a moment later
    return cast("dict[str, float]", placed)


def _canvas(page: ComfyPage) -> dict[str, float]:
    box = page.raw.evaluate("app.canvas.canvas.getBoundingClientRect().toJSON()")
    return cast("dict[str, float]", box)


@contextmanager
def _bare(page: ComfyPage) -> Iterator[None]:
    style = page.raw.add_style_tag(content=_BARE_GRAPH)
    try:
        yield
    finally:
        style.evaluate("element => element.remove()")


def _cut(page: ComfyPage, box: dict[str, float]) -> Image.Image:
    return _decode_bytes(page.raw.screenshot(clip=cast(Any, box)))


def _decode(data_url: str) -> Image.Image:
    return _decode_bytes(base64.b64decode(data_url.partition(",")[2]))


def _decode_bytes(data: bytes) -> Image.Image:
    with Image.open(io.BytesIO(data)) as image:
        return image.convert("RGB")


_CANVAS_FILLS = """(window) => {
  const box = app.canvas.canvas.getBoundingClientRect();
  return Math.abs(box.right - window.width) < 2 && Math.abs(box.bottom - window.height) < 2;
}"""
