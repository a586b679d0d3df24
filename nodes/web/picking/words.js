// What the strip of pictures says, in the language of the page.
import { app } from "../../../scripts/app.js";

/**
 * @typedef {object} Words
 * @property {string} list  what the list is called for screen readers
 * @property {(number: number, score: string) => string} picture
 * @property {(picked: number, count: number) => string} picked
 * @property {(shown: number, count: number) => string} shown  of more pictures than the sheet holds
 * @property {(pieces: string) => string} unread  of pieces of the text that name no picture
 * @property {string} linked  where the text comes over a link
 * @property {string} runOnce  where there are no pictures to show
 */

/** @type {Words} */
const ENGLISH = {
  list: "Pictures to pick: arrow keys move, space or plus picks, minus removes",
  picture: (number, score) => (score ? `Picture ${number}, score ${score}` : `Picture ${number}`),
  picked: (picked, count) => (picked ? `${picked} of ${count} picked` : "Click pictures to pick them"),
  shown: (shown, count) => `${shown} of ${count} shown`,
  unread: (pieces) => `no such picture: ${pieces}`,
  linked: "pick comes from outside this node",
  runOnce: "Run once to see the pictures here",
};

/** @type {Words} */
const CHINESE = {
  list: "可挑选的图像：方向键移动，空格或加号选中，减号取消",
  picture: (number, score) => (score ? `图像 ${number}，分数 ${score}` : `图像 ${number}`),
  picked: (picked, count) => (picked ? `已选 ${picked} / ${count}` : "点击图像即可挑选"),
  shown: (shown, count) => `显示 ${count} 张中的 ${shown} 张`,
  unread: (pieces) => `没有这张图像：${pieces}`,
  linked: "挑选由此节点之外给出",
  runOnce: "运行一次即可在此看到图像",
};

/** @returns {Words} */
export function words() {
  const locale = app.extensionManager?.setting?.get("Comfy.Locale") ?? "en";
  return String(locale).startsWith("zh") ? CHINESE : ENGLISH;
}
