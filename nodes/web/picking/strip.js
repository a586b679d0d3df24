// A listbox of small pictures, cut out of one sheet by CSS. It knows numbers and keys; nothing of nodes and of text.
import { GAP, ROW, STATUS, TALLEST, TILE } from "./style.js";

/**
 * @typedef {object} Tile  one picture of a sheet, as the node sends it
 * @property {number} number  the number to pick it by, from 1
 * @property {[number, number, number, number]} box  left, top, width and height in pixels of the sheet
 * @property {string} score  as drawn on the sheet, or ""
 */

const PICTURE = ROW - 24; // tallest picture of a tile in CSS pixels

export class Strip {
  /**
   * @param {import("./words.js").Words} words
   * @param {(number: number, picked: boolean) => void} onPick  a person picks a picture, or removes it
   */
  constructor(words, onPick) {
    this.words = words;
    this.onPick = onPick;
    /** @type {HTMLElement[]} */
    this.options = [];
    this.status = made("div", "ganrm-picks-status", { role: "status" });
    this.list = made("div", "ganrm-picks-list", { role: "listbox", "aria-multiselectable": "true", "aria-label": words.list });
    this.list.dataset.captureWheel = "true"; // Nodes 2.0 zooms the graph otherwise
    this.element = made("div", "ganrm-picks");
    this.element.append(this.status, this.list);
    this.list.addEventListener("keydown", (event) => this.#onKey(event));
    this.list.addEventListener("click", (event) => this.#onClick(event));
    this.list.addEventListener("wheel", (event) => this.#onWheel(event));
    this.list.addEventListener("pointerdown", (event) => {
      if (event.button === 0) event.stopPropagation(); // else Nodes 2.0 drags the node along
    });
  }

  /**
   * Show these pictures; with none, only the status is left.
   * @param {Tile[]} tiles
   * @param {HTMLImageElement} [sheet]  loaded
   */
  show(tiles, sheet) {
    this.options = tiles.map((tile) => this.#option(tile, sheet));
    if (this.options.length) this.options[0].tabIndex = 0;
    this.list.replaceChildren(...this.options);
  }

  /** @param {Set<number>} numbers  framed from now on @param {boolean} locked  no pick is taken */
  mark(numbers, locked) {
    for (const option of this.options)
      option.setAttribute("aria-selected", String(numbers.has(Number(option.dataset.number))));
    this.list.setAttribute("aria-disabled", String(locked));
  }

  /** @param {string} text @param {boolean} wrong  draws it as a warning */
  say(text, wrong) {
    if (this.status.textContent === text) return; // a screen reader would read it again
    this.status.textContent = this.status.title = text;
    this.status.classList.toggle("ganrm-wrong", wrong);
  }

  /** @param {number} width  of the strip @returns {number}  the height it needs, both in CSS pixels */
  heightAt(width) {
    if (!this.options.length) return STATUS;
    const rows = Math.ceil(this.options.length / Math.max(1, Math.floor((width + GAP) / (TILE + GAP))));
    return STATUS + Math.min(TALLEST, rows * (ROW + GAP) - GAP);
  }

  /** @param {Tile} tile @param {HTMLImageElement} sheet */
  #option(tile, sheet) {
    const label = this.words.picture(tile.number, tile.score);
    const option = made("div", "ganrm-tile", { role: "option", "aria-label": label, "aria-selected": "false" });
    option.tabIndex = -1;
    option.dataset.number = String(tile.number);
    const frame = made("div", "ganrm-tile-picture");
    frame.append(cut(tile.box, sheet));
    const caption = made("div", "ganrm-tile-caption");
    caption.append(withText("ganrm-tile-number", String(tile.number)), withText("ganrm-tile-score", tile.score));
    option.append(frame, caption);
    return option;
  }

  /** @param {MouseEvent} event */
  #onClick(event) {
    const option = this.#optionOf(event);
    if (!option) return;
    this.#focus(option);
    this.#pick(option, !isPicked(option));
  }

  /** @param {KeyboardEvent} event */
  #onKey(event) {
    const option = this.#optionOf(event);
    if (!option || event.ctrlKey || event.metaKey || event.altKey) return;
    const next = this.#neighbour(option, event.key);
    if (next) this.#focus(next);
    else if (event.key === " " || event.key === "Enter") this.#pick(option, !isPicked(option));
    else if (event.key === "+" || event.key === "=") this.#pick(option, true);
    else if (event.key === "-" || event.key === "−") this.#pick(option, false);
    else return;
    event.preventDefault();
    event.stopPropagation(); // the page has shortcuts of its own
  }

  /** Scroll the list where it can, else let the page zoom. @param {WheelEvent} event */
  #onWheel(event) {
    if (!event.ctrlKey && this.list.scrollHeight > this.list.clientHeight) event.stopPropagation();
  }

  /** @param {Event} event @returns {HTMLElement | null} */
  #optionOf(event) {
    return /** @type {Element} */ (event.target).closest("[role=option]");
  }

  /** @param {HTMLElement} option @param {string} key @returns {HTMLElement | null}  itself at the edge; null for other keys */
  #neighbour(option, key) {
    const last = this.options.length - 1;
    const at = this.options.indexOf(option);
    const columns = getComputedStyle(this.list).gridTemplateColumns.split(" ").length;
    const to = { ArrowLeft: at - 1, ArrowRight: at + 1, ArrowUp: at - columns, ArrowDown: at + columns, Home: 0, End: last }[key];
    if (to === undefined) return null;
    return this.options[to] ?? option;
  }

  /** @param {HTMLElement} option */
  #focus(option) {
    for (const other of this.options) other.tabIndex = other === option ? 0 : -1;
    option.focus({ preventScroll: true });
    this.#scrollTo(option);
  }

  /** Within the list alone: `scrollIntoView` would move the page. @param {HTMLElement} option */
  #scrollTo(option) {
    const top = option.offsetTop - this.options[0].offsetTop;
    const hidden = top + option.offsetHeight - this.list.clientHeight;
    this.list.scrollTop = Math.max(hidden, Math.min(top, this.list.scrollTop));
  }

  /** @param {HTMLElement} option @param {boolean} picked */
  #pick(option, picked) {
    const locked = this.list.getAttribute("aria-disabled") === "true";
    if (!locked && picked !== isPicked(option)) this.onPick(Number(option.dataset.number), picked);
  }
}

/** @param {HTMLElement} option */
function isPicked(option) {
  return option.getAttribute("aria-selected") === "true";
}

/**
 * The part of the sheet within `box`, as large as a tile allows.
 * @param {[number, number, number, number]} box @param {HTMLImageElement} sheet @returns {HTMLElement}
 */
function cut([left, top, width, height], sheet) {
  const scale = Math.min((TILE - 8) / width, PICTURE / height);
  const picture = document.createElement("div");
  Object.assign(picture.style, {
    width: `${width * scale}px`,
    height: `${height * scale}px`,
    backgroundImage: `url("${sheet.src}")`,
    backgroundSize: `${sheet.naturalWidth * scale}px ${sheet.naturalHeight * scale}px`,
    backgroundPosition: `${-left * scale}px ${-top * scale}px`,
  });
  return picture;
}

/** @param {string} className @param {string} text */
function withText(className, text) {
  const element = made("span", className);
  element.textContent = text;
  return element;
}

/** @param {string} tag @param {string} className @param {Record<string, string>} [attributes] @returns {HTMLElement} */
function made(tag, className, attributes = {}) {
  const element = document.createElement(tag);
  element.className = className;
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}
