// Shows the choices of our nodes in the page's language: `options` of locales/<language>/nodeDefs.json. Pages translate
// names and tooltips themselves, but no choices. What is stored and sent stays the English value. Page 1.27 has no labels
// for choices and goes on showing the values.
import { app } from "../../scripts/app.js";
import { api } from "../../scripts/api.js";

let inputsOf = () => ({}); // of a kind of node, by name

app.registerExtension({
  name: "GAN-RM.OptionLabels",
  async init() {
    const language = app.extensionManager?.setting?.get("Comfy.Locale");
    if (!language || language === "en") return;
    const translations = await (await api.fetchApi("/i18n")).json();
    const nodes = translations[language]?.nodeDefs ?? {};
    inputsOf = (kind) => (kind?.startsWith("GANRM") && nodes[kind]?.inputs) || {};
  },
  nodeCreated(node) {
    const inputs = inputsOf(node.comfyClass);
    for (const widget of node.widgets ?? []) {
      const labels = inputs[widget.name]?.options;
      if (labels) widget.options.getOptionLabel = (value) => labels[value] ?? String(value ?? "");
    }
  },
});
