// Translated labels for the combo options of our nodes: `options` in locales/<language>/nodeDefs.json. Pages translate names
// and tooltips themselves, but not options. The stored and sent value stays English. Page 1.27 has no option labels and
// shows the values.
import { app } from "../../scripts/app.js";
import { api } from "../../scripts/api.js";

let inputsOf = () => ({}); // (node class) → its translated inputs by name

app.registerExtension({
  name: "GAN-RM.OptionLabels",
  async init() {
    const language = app.extensionManager?.setting?.get("Comfy.Locale");
    if (!language || language === "en") return;
    const translations = await (await api.fetchApi("/i18n")).json();
    const nodes = translations[language]?.nodeDefs ?? {};
    inputsOf = (type) => (type?.startsWith("GANRM") && nodes[type]?.inputs) || {};
  },
  nodeCreated(node) {
    const inputs = inputsOf(node.comfyClass);
    for (const widget of node.widgets ?? []) {
      const labels = inputs[widget.name]?.options;
      if (labels) widget.options.getOptionLabel = (value) => labels[value] ?? String(value ?? "");
    }
  },
});
