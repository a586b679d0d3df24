// Opens the pack's templates with the zoom and place their files name: the note and what has to be set, readable. Page
// 1.49 and newer show a template as a whole instead, which on a small window leaves out all text.
import { app } from "../../scripts/app.js";

const VIEW = "ganrm_first_view";
const FRAMES = 20; // the page fits a template into its window a few frames after it has loaded it
const TOUCHES = ["pointerdown", "wheel", "keydown"];

app.registerExtension({
  name: "GAN-RM.FirstView",
  async afterConfigureGraph() {
    const view = app.graph.extra?.[VIEW];
    if (!view) return;
    delete app.graph.extra[VIEW]; // whoever comes back to the graph finds it as they left it
    let left = FRAMES;
    const stop = () => (left = 0);
    for (const touch of TOUCHES) window.addEventListener(touch, stop, { capture: true, once: true });
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
