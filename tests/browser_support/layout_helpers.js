// Runs in ComfyUI's page: lays out the open graph as a layout says. Answers what it could not do.
(layout) => {
  const problems = [];
  const TITLE = 30;
  const PADDING = 20;

  function colour(node, name) {
    const named = LGraphCanvas.node_colors[name];
    node.color = named ? named.color : name;
    node.bgcolor = named ? named.bgcolor : name;
  }

  function place(node, spec) {
    if (spec.title !== undefined) node.title = spec.title;
    if (spec.pos) node.pos = [...spec.pos];
    if (spec.size) resize(node, spec.size);
    if (spec.color) colour(node, spec.color);
    if (spec.collapsed) node.flags.collapsed = true;
  }

  // The page enlarges nodes that are too small for their widgets when it opens the file: say so now.
  function resize(node, size) {
    const least = node.computeSize();
    if (size[0] < least[0] || size[1] < least[1])
      problems.push(`node ${node.id} (${node.title}): size ${size} is less than its least, ${least.map(Math.ceil)}`);
    node.setSize([Math.max(size[0], least[0]), Math.max(size[1], least[1])]);
  }

  function setWidget(node, name, value) {
    const widget = node.widgets?.find((w) => w.name === name);
    if (!widget) return problems.push(`node ${node.id} (${node.title}) has no widget ${name}`);
    widget.value = value;
  }

  function addNote(spec) {
    const node = LiteGraph.createNode(spec.type ?? "MarkdownNote");
    app.graph.add(node);
    node.widgets[0].value = spec.text;
    place(node, { title: "", ...spec });
  }

  function addGroup(spec) {
    const group = new LiteGraph.LGraphGroup(spec.title);
    if (spec.color) group.color = spec.color;
    if (spec.font_size) group.font_size = spec.font_size;
    const [x, y, w, h] = spec.bounding ?? around(spec.nodes.map((id) => app.graph.getNodeById(Number(id))));
    group.pos = [x, y];
    group.size = [w, h];
    app.graph.add(group);
  }

  function around(nodes) {
    const left = Math.min(...nodes.map((n) => n.pos[0])) - PADDING;
    const top = Math.min(...nodes.map((n) => n.pos[1])) - TITLE - PADDING - TITLE;
    const right = Math.max(...nodes.map((n) => n.pos[0] + n.size[0])) + PADDING;
    const bottom = Math.max(...nodes.map((n) => n.pos[1] + n.size[1])) + PADDING;
    return [left, top, right - left, bottom - top];
  }

  function reportOverlaps() {
    const boxes = app.graph._nodes.map((n) => ({
      name: `${n.id} (${n.title || n.type})`,
      left: n.pos[0],
      top: n.pos[1] - TITLE,
      right: n.pos[0] + n.size[0],
      bottom: n.pos[1] + n.size[1],
    }));
    boxes.forEach((a, i) => {
      for (const b of boxes.slice(i + 1))
        if (a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom)
          problems.push(`nodes ${a.name} and ${b.name} overlap`);
    });
  }

  const byId = new Map(app.graph._nodes.map((n) => [String(n.id), n]));
  for (const node of byId.values())
    if (node.widgets?.some((w) => w.name === "control_after_generate"))
      setWidget(node, "control_after_generate", layout.control_after_generate ?? "fixed");
  for (const [id, spec] of Object.entries(layout.nodes ?? {})) {
    const node = byId.get(id);
    if (!node) {
      problems.push(`the layout names node ${id}, which the prompt lacks`);
      continue;
    }
    place(node, spec);
    for (const [name, value] of Object.entries(spec.widgets ?? {})) setWidget(node, name, value);
  }
  for (const id of byId.keys()) if (!layout.nodes?.[id]?.pos) problems.push(`the layout gives node ${id} no pos`);
  for (const note of layout.notes ?? []) addNote(note);
  for (const group of layout.groups ?? []) addGroup(group);
  reportOverlaps();
  return problems;
};
