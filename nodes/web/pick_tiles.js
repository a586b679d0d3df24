// Pictures to click above the result of nodes with the input `pick`: one DOM widget, which writes what is clicked into the
// text of `pick` and frames what the text says. The text alone is stored and sent; without this script it is typed.
import { app } from "../../scripts/app.js";
import { api } from "../../scripts/api.js";
import { keep, lastOutput } from "./picking/last_output.js";
import { readPicks, writePicks } from "./picking/numbers.js";
import { Strip } from "./picking/strip.js";
import { addStyle } from "./picking/style.js";
import { words } from "./picking/words.js";

const NODES = new Set(["GANRMScore", "GANRMBestOfN", "GANRMAddToDataset"]);
const MARGIN = 10; // in CSS pixels
const WATCH_MS = 250;
let widgetsMade = 0;

class Picker {
  /** @param {any} node @param {any} pick  its widget with the text */
  constructor(node, pick) {
    this.node = node;
    this.pick = pick;
    this.words = words();
    this.count = Infinity; // of pictures; not known before a run
    this.strip = new Strip(this.words, (number, picked) => this.#change(number, picked));
    this.widget = null;
    this.sheet = "";
    this.runs = 0;
    after(node, "onExecuted", (output) => this.#executed(output));
    after(node, "onConfigure", () => this.#restore());
    after(node, "onRemoved", () => clearInterval(this.timer));
    after(pick, "callback", () => this.#refresh());
  }

  /** @param {import("./picking/last_output.js").Output} output */
  #executed(output) {
    this.runs += 1;
    if (!output?.tiles?.length || !output.images?.length) return;
    keep(this.node, output);
    this.#show(output);
  }

  /** After a saved graph is opened, a node copied, a step undone. */
  async #restore() {
    this.#refresh();
    await Promise.resolve(); // the node gets its place in the graph after this
    const runs = this.runs;
    const output = this.node.graph && (await lastOutput(this.node));
    if (output?.tiles?.length && this.runs === runs) this.#show(output);
  }

  /** @param {import("./picking/last_output.js").Output} output */
  #show(output) {
    const { filename, subfolder, type } = output.images[0];
    const url = api.apiURL(`/view?${new URLSearchParams({ filename, subfolder, type })}`);
    if (url === this.sheet && this.strip.options.length) return; // keep the focus and the place in the list
    this.sheet = url;
    const sheet = new Image();
    sheet.onload = () => this.sheet === url && this.#fill(output.tiles, output.candidates[0], sheet);
    sheet.onerror = () => this.sheet === url && this.#fill([], Infinity, undefined); // the server has cleared its temporary files
    sheet.src = url;
  }

  /** @param {import("./picking/strip.js").Tile[]} tiles @param {number} count @param {HTMLImageElement} [sheet] */
  #fill(tiles, count, sheet) {
    this.count = count;
    this.strip.show([...tiles].sort((a, b) => a.number - b.number), sheet);
    if (tiles.length) this.#addWidget();
    this.#refresh();
    this.#makeRoom();
  }

  /** A click or a key: the text follows. @param {number} number @param {boolean} picked */
  #change(number, picked) {
    const picks = readPicks(this.pick.value ?? "", this.count);
    if (picked) picks.numbers.add(number);
    else picks.numbers.delete(number);
    app.canvas.emitBeforeChange?.(); // one step to undo
    this.pick.value = writePicks(picks);
    this.pick.callback?.(this.pick.value, app.canvas, this.node);
    app.canvas.emitAfterChange?.();
    app.canvas.setDirty(true, true);
    this.#refresh();
  }

  /** The frames and the line above follow the text. */
  #refresh() {
    const text = this.pick.value ?? "";
    if (!this.widget && text.trim()) this.#addWidget(); // something is picked, but there is nothing to see
    const linked = this.node.inputs?.some((input) => input.widget?.name === this.pick.name && input.link != null);
    const shown = this.strip.options.length;
    if (!shown) return this.strip.say(this.words.runOnce, false);
    const picks = linked ? { numbers: new Set(), other: [] } : readPicks(text, this.count);
    this.strip.mark(picks.numbers, linked);
    const more = shown < this.count ? ` · ${this.words.shown(shown, this.count)}` : "";
    if (linked) this.strip.say(this.words.linked, false);
    else if (picks.other.length) this.strip.say(this.words.unread(picks.other.join(" ")), true);
    else this.strip.say(this.words.picked(picks.numbers.size, this.count) + more, false);
  }

  #addWidget() {
    if (this.widget) return;
    // A name of its own: after undo, Nodes 2.0 would go on showing the element of the node that is gone, by node and widget name.
    this.widget = this.node.addDOMWidget(`pick_tiles_${++widgetsMade}`, "ganrm_picks", this.strip.element, {
      serialize: false, // not sent to the server
      hideOnZoom: false,
    });
    this.widget.serialize = false; // not stored in the workflow
    // Exactly as tall as its rows: what is free belongs to the sheet below.
    this.widget.computeLayoutSize = undefined;
    this.widget.computeSize = () => [0, this.#height()];
    // Undo, and a script, set the text without a word to anybody.
    this.timer = setInterval(() => this.#refresh(), WATCH_MS);
    this.#makeRoom();
  }

  /** With the margins that the classic page leaves around a DOM widget. */
  #height() {
    const width = this.strip.list.clientWidth || this.node.size[0] - 2 * MARGIN;
    return this.strip.heightAt(width) + 2 * MARGIN;
  }

  /** Only ever taller: a size that somebody chose stays. */
  #makeRoom() {
    const needed = this.node.computeSize();
    this.node.setSize([this.node.size[0], Math.max(this.node.size[1], needed[1])]);
    app.canvas.setDirty(true, true);
  }
}

/**
 * Call `then` after what the object does already.
 * @param {any} object @param {string} name @param {(...given: any[]) => void} then
 */
function after(object, name, then) {
  const before = object[name];
  object[name] = function (...given) {
    const result = before?.apply(this, given);
    then(...given);
    return result;
  };
}

app.registerExtension({
  name: "GAN-RM.PickTiles",
  init: addStyle,
  nodeCreated(node) {
    if (!NODES.has(node.comfyClass)) return;
    const pick = node.widgets?.find((widget) => widget.name === "pick");
    if (pick && node.addDOMWidget) new Picker(node, pick);
  },
});
