// Node search by search_aliases: our nodes rank after nodes whose name contains the word, before fuzzy matches.
// Older pages search names only; newer ones rank an alias below every popular node of a similar spelling.
// On pages whose search service is not found, nothing changes.
import { app } from "../../scripts/app.js";

const OURS = "GANRM";
const FEWEST_LETTERS = 3; // typed before aliases are searched; a Chinese word may have two

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

/** Index of the first alias that starts with the query; -1 if none does. */
function aliasFor(node, query) {
  if (!node.name.startsWith(OURS)) return -1;
  return (node.search_aliases ?? []).findIndex((word) => word.toLowerCase().startsWith(query));
}

function addAliases(search) {
  const byName = search.searchNode;
  search.searchNode = function (query, filters, options, ...rest) {
    const found = byName.call(this, query, filters, options, ...rest);
    const typed = query.trim().toLowerCase();
    if (typed.length < FEWEST_LETTERS && /^[\x00-\x7f]*$/.test(typed)) return found;
    const byAlias = byName.call(this, "", filters).filter((node) => aliasFor(node, typed) >= 0);
    if (!byAlias.length) return found;
    const rank = (node) => {
      if (hasInName(node, typed)) return -1;
      const alias = aliasFor(node, typed);
      return alias >= 0 ? alias : Infinity;
    };
    const compare = (one, other) => (one === other ? 0 : one < other ? -1 : 1); // subtraction would give NaN for Infinity
    const merged = [...new Set([...found, ...byAlias])].sort((a, b) => compare(rank(a), rank(b)));
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
