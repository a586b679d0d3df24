// The text of `pick` as numbers and back, as ganrm_core/selection/number_picks.py reads it: "1 4 7-9", or "all".

/**
 * @typedef {object} Picks
 * @property {Set<number>} numbers  the pictures picked, counted from 1
 * @property {string[]} other  pieces that name no picture; they stay in the text, and the node says what is wrong with them
 */

const BETWEEN = /[\s,;，、；]+/;
const DASH = /\s*[-–—~]\s*/g;
const RANGE = /^(\d+)(?:-(\d+))?$/;
const SHORTEST_RANGE = 3; // 4 5 reads better than 4-5
const FULL_WIDTH_ZERO = 0xff10;

/**
 * @param {string} text
 * @param {number} count  how many pictures there are
 * @returns {Picks}
 */
export function readPicks(text, count) {
  const trimmed = text.trim();
  if (trimmed.toLowerCase() === "all") return { numbers: upTo(1, count), other: [] };
  const picks = { numbers: new Set(), other: [] };
  for (const piece of trimmed.replace(DASH, "-").split(BETWEEN).filter(Boolean)) {
    const match = RANGE.exec(narrow(piece));
    const ends = match ? [Number(match[1]), Number(match[2] ?? match[1])].sort((a, b) => a - b) : [0, 0];
    if (ends[0] < 1 || ends[1] > count) picks.other.push(piece);
    else upTo(...ends).forEach((number) => picks.numbers.add(number));
  }
  return picks;
}

/**
 * @param {Picks} picks
 * @returns {string}  ascending, three and more in a row as a range; what names no picture comes last
 */
export function writePicks(picks) {
  const pieces = [];
  const sorted = [...picks.numbers].sort((a, b) => a - b);
  for (let start = 0, end; start < sorted.length; start = end) {
    end = start + 1;
    while (sorted[end] === sorted[end - 1] + 1) end += 1;
    if (end - start >= SHORTEST_RANGE) pieces.push(`${sorted[start]}-${sorted[end - 1]}`);
    else pieces.push(...sorted.slice(start, end));
  }
  return [...pieces, ...picks.other].join(" ");
}

/** @param {number} first @param {number} last @returns {Set<number>} */
function upTo(first, last) {
  return new Set(Array.from({ length: last - first + 1 }, (_, i) => first + i));
}

/** Digits of a Chinese or Japanese keyboard as plain ones. @param {string} text @returns {string} */
function narrow(text) {
  return text.replace(/[０-９]/g, (digit) => String(digit.charCodeAt(0) - FULL_WIDTH_ZERO));
}
