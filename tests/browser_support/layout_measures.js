// Runs in ComfyUI's page: how the open graph lies in the window. All lengths in CSS pixels of the window.
() => {
  const { ds, canvas } = app.canvas;
  const outer = canvas.getBoundingClientRect();
  const TITLE = 30;

  function rectangle(node) {
    const element = __harness.vueNodes() && document.querySelector(`[data-node-id="${node.id}"]`);
    if (element) return element.getBoundingClientRect();
    const x = (node.pos[0] + ds.offset[0]) * ds.scale + outer.x;
    const y = (node.pos[1] - TITLE + ds.offset[1]) * ds.scale + outer.y;
    return new DOMRect(x, y, node.size[0] * ds.scale, (node.size[1] + TITLE) * ds.scale);
  }

  // A point of the node that is outside the window or under something of the page's own; null where all are free.
  function covered(node, box) {
    for (const across of [0.02, 0.5, 0.98])
      for (const down of [0.02, 0.5, 0.98]) {
        const [x, y] = [box.x + box.width * across, box.y + box.height * down];
        const top = document.elementFromPoint(x, y);
        const free = top === canvas || top?.closest(".dom-widget, .comfy-markdown, [data-node-id], .lg-node");
        if (!free) return [Math.round(x), Math.round(y), top?.className ?? "outside"].join(" ");
      }
    return null;
  }

  function note() {
    const text = [...document.querySelectorAll(".comfy-markdown .tiptap, .comfy-markdown-content")].find((e) => e.offsetHeight);
    if (!text) return { text: "", smallest: 0, steps: 0, hidden: 0 };
    const blocks = [...text.querySelectorAll("h1, h2, h3, p, li")].filter((e) => e.innerText.trim());
    const size = (e) => (parseFloat(getComputedStyle(e).fontSize) * e.getBoundingClientRect().height) / e.offsetHeight;
    const room = (text.closest(".comfy-markdown") ?? text).getBoundingClientRect().bottom;
    return {
      text: text.innerText.trim(),
      smallest: Math.min(...blocks.map(size)),
      steps: Math.min(...blocks.filter((e) => e.tagName === "H2").map(size)),
      hidden: blocks.at(-1).getBoundingClientRect().bottom - room,
    };
  }

  function overflowing(group) {
    const pen = new OffscreenCanvas(1, 1).getContext("2d");
    pen.font = `${group.font_size}px ${LiteGraph.GROUP_FONT ?? "Arial"}`;
    return pen.measureText(group.title).width > group.size[0];
  }

  const boxes = app.graph._nodes.map((node) => ({ node, box: rectangle(node), title: node.title || node.type }));
  const overlaps = boxes.flatMap((a, i) =>
    boxes
      .slice(i + 1)
      .filter((b) => a.box.left < b.box.right - 1 && b.box.left < a.box.right - 1)
      .filter((b) => a.box.top < b.box.bottom - 1 && b.box.top < a.box.bottom - 1)
      .map((b) => [a.title, b.title]),
  );
  return {
    scale: ds.scale,
    overlaps,
    overflowing: app.graph._groups.filter(overflowing).map((group) => group.title),
    note: note(),
    boxes: boxes.map(({ node, box, title }) => ({ type: node.type, title, covered: covered(node, box) })),
  };
}
