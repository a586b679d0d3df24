// Hides the duplicate preview in Nodes 2.0, which shows a run's last live preview below the node's result: the same picture
// twice at half the size. The result area already shows live previews. Only CSS: on pages with another DOM it does nothing.
import { app } from "../../scripts/app.js";

const STYLE = `
.lg-node div:has(> .lg-node-content img) ~ img,
.lg-node div:has(> .lg-node-content img) ~ img + div,
.lg-node .lg-node-content:has(img) ~ div:has(> img[alt="preview"]) {
  display: none;
}`;

app.registerExtension({
  name: "ganrm.onePicture",
  setup() {
    const style = document.createElement("style");
    style.textContent = STYLE;
    document.head.append(style);
  },
});
