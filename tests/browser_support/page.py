"""Driver of ComfyUI's real page in headless Chromium: open it, drop files onto it, press Run, read what it did."""

from __future__ import annotations

import json
import os
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from .console_log import ConsoleLog, is_loopback

if TYPE_CHECKING:
    from playwright.sync_api import (
        Browser,
        BrowserContext,
        Dialog,
        Page,
        Playwright,
        Response,
        Route,
    )

_HELPERS = Path(__file__).with_name("page_helpers.js")
_ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking")
_READY = "window.app?.vueAppReady && app.graph && app.extensionManager?.workflow?.activeWorkflow"
# Else the template browser opens by itself.
_FIRST_VISIT_DONE: dict[str, Any] = {"Comfy.TutorialCompleted": True}
_SETTINGS: dict[str, Any] = {
    **_FIRST_VISIT_DONE,
    "Comfy.OnboardingCoachmarks.Seen": ["appMode", "firstRun"],
    "Comfy.Minimap.Visible": False,
    "Comfy.Graph.CanvasInfo": False,
    "Comfy.Notification.ShowVersionUpdates": False,
    "Comfy.Window.UnloadConfirmation": False,
    "LiteGraph.Canvas.LowQualityRenderingZoomThreshold": 0,  # else small nodes lose their text
    "LiteGraph.Canvas.MinFontSizeForLOD": 0,
}


class RunRefusedError(AssertionError):
    """The server did not queue the graph; the message is its answer, node errors included."""


def chromium_path() -> str | None:
    """$CHROMIUM, or the system's Chromium; None where there is neither."""
    path = os.environ.get("CHROMIUM", "/usr/bin/chromium")
    return path if Path(path).exists() else None


def launch_chromium(playwright: Playwright) -> Browser:
    return playwright.chromium.launch(executable_path=chromium_path(), args=list(_ARGUMENTS))


class ComfyPage:
    """One open page of one server. Nothing outside this machine is reached from it."""

    def __init__(self, context: BrowserContext, raw: Page, console: ConsoleLog) -> None:
        self.raw = raw
        self.console = console
        self.version: str = raw.evaluate("window.__COMFYUI_FRONTEND_VERSION__")
        self._devtools = context.new_cdp_session(raw)
        self._native_dialogs: list[str] = []
        raw.on("dialog", self._dismiss_alert)

    def drop_file(self, path: Path) -> None:
        """Drop a file of this machine onto empty canvas, and wait until the page has opened or refused it."""
        before = self.raw.evaluate("__harness.opened()")
        # A node such as Load Image would keep a file dropped on it for itself.
        spot = self.raw.evaluate(_EMPTY_SPOT)
        data = {"items": [], "files": [str(path.resolve())], "dragOperationsMask": 1}
        for kind in ("dragEnter", "dragOver", "drop"):
            self._devtools.send("Input.dispatchDragEvent", {"type": kind, **spot, "data": data})
        self.wait_opened(before)

    def wait_opened(self, before: int) -> None:
        """Wait until more graphs than `before` have been opened, and the last one is drawn."""
        self.raw.wait_for_function("before => __harness.opened() > before", arg=before)
        self.raw.evaluate("__harness.frames(5)")

    def new_workflow(self) -> None:
        """A new tab with an empty graph."""
        self.raw.evaluate("app.extensionManager.command.execute('Comfy.NewBlankWorkflow')")
        self.raw.wait_for_function("app.graph._nodes.length === 0")

    def older_than(self, major: int, minor: int) -> bool:
        return tuple(map(int, self.version.split(".")[:2])) < (major, minor)

    def run(self) -> str:
        """Press the Run button. Returns the prompt's id once the server has taken it."""

        def is_prompt(answer: Response) -> bool:
            return answer.request.method == "POST" and answer.url.endswith("/api/prompt")

        # A split button holds the button in one page version and is the button in the other.
        app = self.raw.get_by_test_id("linear-run-button").get_by_role("button", name="Run", exact=True)
        button = app if app.count() else self.raw.get_by_test_id("queue-button")
        inner = button.locator("button")
        with self.raw.expect_response(is_prompt) as caught:
            (inner.first if inner.count() else button).click()
        answer = caught.value
        if answer.status != 200:
            raise RunRefusedError(answer.text())
        return cast(str, answer.json()["prompt_id"])

    def wait_outcome(self, prompt_id: str, seconds: float = 60) -> dict[str, Any]:
        """The event that ended the run: `type` execution_success, _error or _interrupted, and its `detail`."""
        ended = "id => __harness.outcome(id)"
        handle = self.raw.wait_for_function(ended, arg=prompt_id, timeout=seconds * 1000)
        self.raw.evaluate("__harness.frames(2)")
        return cast("dict[str, Any]", handle.json_value())

    def run_and_wait(self, seconds: float = 300) -> None:
        """Press Run and wait; a run that ends with an error or an interruption is an AssertionError."""
        end = self.wait_outcome(self.run(), seconds)
        assert end["type"] == "execution_success", end

    def graph(self) -> dict[str, Any]:
        """`{workflow, output}`: the open graph in UI format and in API format, as the page exports them."""
        # As text: Playwright turns undefined into null, which the page's own validation refuses.
        text = self.raw.evaluate("async () => JSON.stringify(await app.graphToPrompt())")
        return cast("dict[str, Any]", json.loads(text))

    def expect_notices(self, selector: str) -> None:
        """Notices shown so far that match the CSS selector were asked for."""
        self.raw.evaluate("selector => __harness.expectNotices(selector)", selector)

    def unexpected_notices(self) -> list[str]:
        """The texts of all toasts, alerts and dialogs so far that were not asked for, in order of appearance."""
        shown = cast("list[str]", self.raw.evaluate("__harness.unexpectedNotices()"))
        return [*self._native_dialogs, *shown]

    def set_widget(self, node_id: int, name: str, value: object) -> None:
        """Set a widget's value and tell the page so, as typing would."""
        self.raw.evaluate(_SET_WIDGET, [node_id, name, value])

    def _dismiss_alert(self, dialog: Dialog) -> None:
        self._native_dialogs.append(dialog.message)
        dialog.dismiss()


@contextmanager
def open_page(
    browser: Browser,
    url: str,
    *,
    nodes: Literal["classic", "vue"] = "classic",
    pixel_ratio: float = 1,
    size: tuple[int, int] = (1600, 1000),
    locale: str = "en",
    untouched: bool = False,
) -> Iterator[ComfyPage]:
    """Open the page of the server at `url` on an empty graph, with no dialog in the way.

    nodes: drawn on the canvas (the default of 1.27 and 1.58) or as DOM ("Nodes 2.0"). size: of the window, in CSS
    pixels. untouched: change no setting, so that the page's own defaults hold where the server has stored none.
    """
    chosen = {**_SETTINGS, "Comfy.VueNodes.Enabled": nodes == "vue", "Comfy.Locale": locale}
    _store_settings(url, _FIRST_VISIT_DONE if untouched else chosen)
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]}, device_scale_factor=pixel_ratio, locale=locale
    )
    try:
        context.route("**/*", _stay_on_this_machine)
        context.add_init_script(path=_HELPERS)
        raw = context.new_page()
        console = ConsoleLog()
        console.attach(raw)
        raw.goto(url)
        raw.wait_for_function(_READY, timeout=60_000)
        raw.evaluate("__harness.listen()")
        # The page starts with its default graph, whose missing model newer versions complain about.
        raw.evaluate(_ONLY_A_BLANK_TAB)
        raw.wait_for_function("app.graph._nodes.length === 0")
        dismiss = raw.get_by_test_id("error-overlay-dismiss")
        if dismiss.count():
            dismiss.click()
            dismiss.wait_for(state="detached")
        page = ComfyPage(context, raw, console)
        raw.evaluate("__harness.watchNotices()")
        yield page
    finally:
        context.close()


OpenPage = Callable[..., AbstractContextManager[ComfyPage]]
"""`open_page` for one server: takes its options."""


def _stay_on_this_machine(route: Route) -> None:
    if is_loopback(route.request.url):
        route.continue_()
    else:
        route.abort()


def _store_settings(url: str, settings: dict[str, Any]) -> None:
    request = urllib.request.Request(
        f"{url.rstrip('/')}/api/settings",
        data=json.dumps(settings).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=10):
        pass


_ONLY_A_BLANK_TAB = """async () => {
  const { workflow, command } = app.extensionManager;
  const first = workflow.activeWorkflow;
  await command.execute("Comfy.NewBlankWorkflow");
  await workflow.closeWorkflow(first);
}"""

_SET_WIDGET = """([id, name, value]) => {
  const node = __harness.node(id);
  const widget = node.widgets?.find((w) => w.name === name);
  if (!widget) throw new Error(`node ${id} has no widget ${name}`);
  widget.value = value;
  widget.callback?.(value, app.canvas, node);
  app.canvas.setDirty(true, true);
}"""

_EMPTY_SPOT = """() => {
  const canvas = app.canvas.canvas, outer = canvas.getBoundingClientRect(), { scale, offset } = app.canvas.ds;
  for (let y = outer.y + 120; y < outer.bottom - 80; y += 20)
    for (let x = outer.x + 320; x < outer.right - 80; x += 20) {
      const at = [(x - outer.x) / scale - offset[0], (y - outer.y) / scale - offset[1]];
      if (!app.graph.getNodeOnPos(...at) && document.elementFromPoint(x, y) === canvas) return { x, y };
    }
  throw new Error("no empty spot on the canvas to drop a file on");
}"""
