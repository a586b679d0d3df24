// Runs in ComfyUI's page before its own scripts. Reads what the page shows; changes nothing but the view.
window.__harness = (() => {
  const OUTCOMES = ["execution_success", "execution_error", "execution_interrupted"];
  const OBSERVED = [
    "execution_start", "execution_cached", "executing", "executed", "progress", "progress_state", "b_preview",
    ...OUTCOMES,
  ];
  const TITLE = 30;
  // Toasts and dialogs of pages 1.27, 1.49 and 1.58, and the overlay in which newer ones name an error. Popovers, such as
  // a tab's own name under the pointer, come only where the pointer goes.
  const NOTICES =
    ".p-toast-message, [data-testid=toast], .p-dialog, [role=dialog]:not(.p-popover), [role=alertdialog], " +
    "[data-testid=error-overlay]";
  const NOTICE_INTERVAL_MS = 50; // a toast stays for seconds
  const events = [];
  const watched = new Map();
  const notices = new Map();
  const expectedNotices = new WeakSet();

  let opened = 0;

  function listen() {
    for (const name of ["loadGraphData", "loadApiJson"]) {
      const original = app[name];
      app[name] = async (...given) => {
        const result = await original.apply(app, given);
        opened += 1;
        return result;
      };
    }
    for (const type of OBSERVED)
      app.api.addEventListener(type, (event) => {
        const detail = event.detail instanceof Blob ? { bytes: event.detail.size } : event.detail;
        events.push({ type, detail });
        if (OUTCOMES.includes(type)) for (const watch of watched.values()) watch.running = false;
      });
  }

  // Remembers every notice by its element, with its latest text: a toast is gone when a test ends.
  function watchNotices() {
    setInterval(recordNotices, NOTICE_INTERVAL_MS);
  }

  function recordNotices() {
    for (const element of document.querySelectorAll(NOTICES)) {
      const text = element.checkVisibility() ? element.innerText.trim() : "";
      if (text) notices.set(element, text);
    }
  }

  // From now on notices that lie in, or hold, an element of this selector are not unexpected.
  function expectNotices(selector) {
    recordNotices();
    for (const element of notices.keys())
      if (element.matches(selector) || element.closest(selector) || element.querySelector(selector))
        expectedNotices.add(element);
  }

  function unexpectedNotices() {
    recordNotices();
    return [...notices].filter(([element]) => !expectedNotices.has(element)).map(([, text]) => text);
  }

  function outcome(promptId) {
    return events.find((e) => OUTCOMES.includes(e.type) && e.detail?.prompt_id === promptId) ?? null;
  }

  // Ids are numbers in older pages and strings in newer ones.
  function node(id) {
    const found = app.graph._nodes.find((n) => String(n.id) === String(id));
    if (!found) throw new Error(`no node ${id} in the graph`);
    return found;
  }

  function vueNodes() {
    return Boolean(window.LiteGraph?.vueNodesMode);
  }

  // The picture elements the node shows now, whichever way the page draws its nodes.
  function pictures(id) {
    if (!vueNodes()) return node(id).imgs ?? [];
    const inNode = document.querySelectorAll(`[data-node-id="${id}"] img`);
    return [...inNode].filter((img) => img.src.startsWith("blob:") || img.src.includes("/view?"));
  }

  // The page loads pictures after the run's end: until then a node shows those of the run before.
  function freshPictures(id) {
    const shown = pictures(id);
    const previews = app.nodePreviewImages?.[id] ?? [];
    const files = (app.nodeOutputs?.[id]?.images ?? []).map((image) => encodeURIComponent(image.filename));
    const fresh = (img) =>
      img.src.startsWith("blob:")
        ? !previews.length || previews.includes(img.src)
        : !files.length || files.some((file) => img.src.includes(file));
    const ready = (img) => img.complete && img.naturalWidth > 0 && fresh(img);
    if (shown.length && shown.every(ready)) return shown;
    app.canvas.draw(true, true); // the classic nodes load their pictures while they are drawn
    return null;
  }

  function dataUrl(img) {
    const canvas = document.createElement("canvas");
    canvas.width = img.naturalWidth;
    canvas.height = img.naturalHeight;
    canvas.getContext("2d").drawImage(img, 0, 0);
    return canvas.toDataURL("image/png");
  }

  // A live preview's blob is revoked by the next one, so each is copied while the node shows it.
  function watch(id) {
    unwatch(id);
    const state = { running: true, seen: new Set(pictures(id).map((img) => img.src)), shots: [] };
    state.timer = setInterval(() => {
      if (!state.running) return clearInterval(state.timer);
      for (const img of pictures(id)) {
        if (!img.complete || !img.naturalWidth || state.seen.has(img.src)) continue;
        state.seen.add(img.src);
        state.shots.push(dataUrl(img));
      }
    }, 30);
    watched.set(String(id), state);
  }

  function unwatch(id) {
    clearInterval(watched.get(String(id))?.timer);
    watched.delete(String(id));
  }

  function previews(id) {
    return watched.get(String(id))?.shots ?? [];
  }

  // Where the node's pictures lie in the window, in CSS pixels. The classic page draws them on its canvas, by
  // rules that differ between versions (1.58 a frame later than the node): the drawing itself is asked.
  async function pictureBoxes(id) {
    const shown = pictures(id);
    if (vueNodes()) return shown.map(containedBox);
    const boxes = new Map();
    const canvas = app.canvas.canvas;
    const original = CanvasRenderingContext2D.prototype.drawImage;
    CanvasRenderingContext2D.prototype.drawImage = function (image, ...where) {
      if (shown.includes(image) && this.canvas === canvas) boxes.set(image, drawnBox(this, canvas, image, where));
      return original.call(this, image, ...where);
    };
    try {
      app.canvas.draw(true, true);
      await frames(3);
    } finally {
      CanvasRenderingContext2D.prototype.drawImage = original;
    }
    return shown.filter((image) => boxes.has(image)).map((image) => boxes.get(image));
  }

  function drawnBox(context, canvas, image, where) {
    const [x, y, w, h] = where.length >= 8 ? where.slice(4) : where;
    const matrix = context.getTransform();
    const outer = canvas.getBoundingClientRect();
    const css = outer.width / canvas.width;
    return {
      x: outer.x + (matrix.a * x + matrix.e) * css,
      y: outer.y + (matrix.d * y + matrix.f) * css,
      width: matrix.a * (w ?? image.naturalWidth) * css,
      height: matrix.d * (h ?? image.naturalHeight) * css,
    };
  }

  function containedBox(img) {
    const outer = img.getBoundingClientRect();
    const fit = getComputedStyle(img).objectFit;
    if (fit !== "contain") return { x: outer.x, y: outer.y, width: outer.width, height: outer.height };
    const scale = Math.min(outer.width / img.naturalWidth, outer.height / img.naturalHeight);
    const width = img.naturalWidth * scale;
    const height = img.naturalHeight * scale;
    return { x: outer.x + (outer.width - width) / 2, y: outer.y + (outer.height - height) / 2, width, height };
  }

  function nodeBounds(id) {
    const n = node(id);
    return { x: n.pos[0], y: n.pos[1] - TITLE, width: n.size[0], height: n.size[1] + TITLE };
  }

  function graphBounds() {
    const boxes = app.graph._nodes.map((n) => nodeBounds(n.id));
    for (const group of app.graph._groups ?? [])
      boxes.push({ x: group.pos[0], y: group.pos[1], width: group.size[0], height: group.size[1] });
    if (!boxes.length) throw new Error("the graph is empty");
    const x = Math.min(...boxes.map((b) => b.x));
    const y = Math.min(...boxes.map((b) => b.y));
    return {
      x,
      y,
      width: Math.max(...boxes.map((b) => b.x + b.width)) - x,
      height: Math.max(...boxes.map((b) => b.y + b.height)) - y,
    };
  }

  // Puts a box of the graph into the middle of a box of the window; answers where it came to lie.
  async function show(bounds, frame, largest) {
    const outer = app.canvas.canvas.getBoundingClientRect();
    const scale = Math.min(frame.width / bounds.width, frame.height / bounds.height, largest);
    const x = frame.x + (frame.width - bounds.width * scale) / 2;
    const y = frame.y + (frame.height - bounds.height * scale) / 2;
    app.canvas.ds.scale = scale;
    app.canvas.ds.offset[0] = (x - outer.x) / scale - bounds.x;
    app.canvas.ds.offset[1] = (y - outer.y) / scale - bounds.y;
    app.canvas.setDirty(true, true);
    await frames(3);
    return { x, y, width: bounds.width * scale, height: bounds.height * scale };
  }

  async function frames(count) {
    for (let i = 0; i < count; i++) await new Promise((done) => requestAnimationFrame(done));
  }

  function select(id) {
    app.canvas.deselectAll?.();
    app.canvas.selectNode(node(id));
    app.canvas.setDirty(true, true);
  }

  function unknownNodes() {
    const known = LiteGraph.registered_node_types;
    return app.graph._nodes.map((n) => n.type).filter((type) => !(type in known));
  }

  return {
    events, listen, opened: () => opened, watchNotices, expectNotices, unexpectedNotices, outcome, node, vueNodes, pictures, freshPictures, dataUrl, watch, previews, pictureBoxes,
    nodeBounds, graphBounds, show, frames, select, unknownNodes,
  };
})();
