// Nodes 2.0 draws the last live preview of a run below the node's result: the same picture twice, each half as large.
// The result's place already shows previews while they come, so the second place is not needed. Only a style: no page
// function is changed, and where the page is built differently nothing happens.
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
