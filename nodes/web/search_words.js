// Finds our nodes by their search_aliases: behind nodes whose own name has the word, before what is only spelt like it.
// Older pages search names alone; newer ones rank an alias below every popular node of a similar spelling.
// Where a page keeps its search elsewhere, nothing happens, and the page's own search stays as it is.
import { app } from "../../scripts/app.js";

const OURS = "GANRM";
const FEWEST_LETTERS = 3; // typed before aliases are looked at; a Chinese word is two

function searchOfThePage() {
  const page = document.querySelector("#vue-app")?.__vue_app__;
  const service = page?.config?.globalProperties?.$pinia?._s?.get("nodeDef")?.nodeSearchService;
  const shared = service && Object.getPrototypeOf(service);
  return typeof shared?.searchNode === "function" ? shared : null;
}

function hasInName(node, query) {
  const words = `${node.name} ${node.display_name}`.split(/[^\p{L}\p{N}]+|(?<=[a-z])(?=[A-Z])/u);
  return words.some((word) => word.toLowerCase().startsWith(query));
}

/** Where among its aliases one begins with the query; -1 if none does. */
function aliasFor(node, query) {
  return node.name.startsWith(OURS) ? (node.search_aliases ?? []).findIndex((word) => word.startsWith(query)) : -1;
}

function addAliases(search) {
  const byName = search.searchNode;
  search.searchNode = function (query, filters, options, ...rest) {
    const found = byName.call(this, query, filters, options, ...rest);
    const typed = query.trim().toLowerCase();
    if (typed.length < FEWEST_LETTERS && /^[\x00-\x7f]*$/.test(typed)) return found;
    const meant = byName.call(this, "", filters).filter((node) => aliasFor(node, typed) >= 0);
    if (!meant.length) return found;
    const rank = (node) => {
      if (hasInName(node, typed)) return -1;
      const alias = aliasFor(node, typed);
      return alias >= 0 ? alias : Infinity;
    };
    const compare = (one, other) => (one === other ? 0 : one < other ? -1 : 1); // Infinity - Infinity is no number
    const merged = [...new Set([...found, ...meant])].sort((a, b) => compare(rank(a), rank(b)));
    return options?.limit ? merged.slice(0, options.limit) : merged;
  };
}

app.registerExtension({
  name: "GAN-RM.SearchWords",
  setup() {
    const search = searchOfThePage();
    if (search) addAliases(search);
  },
});
