// Initial zoom and position of the pack's templates, from extra.ganrm_first_view of the workflow, so that the note and the
// widgets to set are readable. Page 1.49 and newer fit the whole template into the window, where text may be too small.
import { app } from "../../scripts/app.js";

const VIEW = "ganrm_first_view";
const FRAMES = 20; // the page zooms to fit a few frames after loading a template
const USER_EVENTS = ["pointerdown", "wheel", "keydown"];

app.registerExtension({
  name: "GAN-RM.FirstView",
  async afterConfigureGraph() {
    const view = app.graph.extra?.[VIEW];
    if (!view) return;
    delete app.graph.extra[VIEW]; // only for the first view: later the graph opens as it was left
    let left = FRAMES;
    const stop = () => (left = 0);
    for (const event of USER_EVENTS) window.addEventListener(event, stop, { capture: true, once: true });
    const hold = () => {
      if (left-- <= 0) return;
      app.canvas.ds.scale = view.scale;
      [app.canvas.ds.offset[0], app.canvas.ds.offset[1]] = view.offset;
      app.canvas.setDirty(true, true);
      requestAnimationFrame(hold);
    };
    hold();
  },
});
