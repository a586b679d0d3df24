// What a node showed last: undo, and another tab, make the page build every node anew, without the outputs of its last run.
// Kept here as long as the page is open; after a reload the server's history is asked.
import { api } from "../../../scripts/api.js";
import { app } from "../../../scripts/app.js";

/**
 * @typedef {object} Output  the node's `ui`
 * @property {import("./strip.js").Tile[]} tiles
 * @property {[number]} candidates
 * @property {{filename: string, subfolder: string, type: string}[]} images
 */

const RUNS = 20; // looked through, of the server's history

/** @type {Map<string, Output>} */
const kept = new Map();

/** @param {any} node @param {Output} output */
export function keep(node, output) {
  kept.set(keyOf(node), output);
}

/**
 * Of this page's time, or of the newest run of the same workflow that the server remembers.
 * @param {any} node  in a graph
 * @returns {Promise<Output | null>}
 */
export async function lastOutput(node) {
  const known = kept.get(keyOf(node));
  if (known) return known;
  const workflow = (app.rootGraph ?? app.graph).id;
  for (const run of await newestFirst()) {
    if (run.prompt?.[3]?.extra_pnginfo?.workflow?.id !== workflow) continue;
    const output = outputIn(run, node);
    if (output) return output;
  }
  return null;
}

/** @returns {Promise<any[]>} */
async function newestFirst() {
  try {
    const answer = await api.fetchApi(`/history?max_items=${RUNS}`);
    return answer.ok ? Object.values(await answer.json()).reverse() : [];
  } catch {
    return []; // without the server there are no pictures either, and the strip says what to do
  }
}

/**
 * The node's output in a run. Within a subgraph, its key is the ids of all subgraph nodes on the way to it and its own.
 * @param {any} run @param {any} node @returns {Output | null}
 */
function outputIn(run, node) {
  const nested = node.graph !== (app.rootGraph ?? app.graph);
  const isPlace = (key) => (nested ? key.endsWith(`:${node.id}`) : key === String(node.id));
  const isKind = (key) => run.prompt[2][key]?.class_type === node.comfyClass;
  const keys = Object.keys(run.outputs ?? {}).filter((key) => isPlace(key) && isKind(key));
  // Of several subgraph nodes with the same content, none is the one looked at.
  return keys.length === 1 ? run.outputs[keys[0]] : null;
}

/** @param {any} node */
function keyOf(node) {
  return [(app.rootGraph ?? app.graph).id, node.graph?.id, node.id, node.comfyClass].join("/");
}
