// The look of the strip, in the colours of the drawn sheets. All lengths are CSS pixels.

export const ROW = 78; // height of a tile: its picture, number and score
export const TILE = 60; // smallest width of a tile
export const GAP = 4;
export const STATUS = 20;
export const TALLEST = 3 * (ROW + GAP) + ROW / 3; // of the list; more pictures scroll, and the cut row says so

const STYLE = `
.ganrm-picks { box-sizing: border-box; display: flex; flex-direction: column; min-height: ${STATUS}px; overflow: hidden;
  font: 12px/${STATUS}px Inter, Arial, sans-serif; color: #ececee; user-select: none; }
.ganrm-picks-status { flex: none; height: ${STATUS}px; overflow: hidden; white-space: nowrap; text-overflow: ellipsis; }
.ganrm-picks-status.ganrm-wrong { color: #ff8f6b; }
.ganrm-picks-list { flex: 0 1 auto; max-height: ${TALLEST}px; min-height: 0; overflow-y: auto; scrollbar-width: thin;
  display: grid; grid-template-columns: repeat(auto-fill, minmax(${TILE}px, 1fr)); grid-auto-rows: ${ROW}px; gap: ${GAP}px; }
.ganrm-picks-list:empty { display: none; }
.ganrm-picks-list[aria-disabled="true"] { opacity: 0.6; }
.ganrm-tile { box-sizing: border-box; padding: 2px; border: 2px solid transparent; border-radius: 5px; background: #262628;
  display: flex; flex-direction: column; min-width: 0; cursor: pointer; outline: none; }
.ganrm-picks-list[aria-disabled="true"] .ganrm-tile { cursor: default; }
.ganrm-tile:hover { border-color: #5a5a66; }
.ganrm-tile[aria-selected="true"] { border-color: #ffc43d; }
.ganrm-tile:focus-visible { outline: 2px solid #6cb2ff; outline-offset: -4px; }
.ganrm-tile-picture { flex: 1; min-height: 0; display: flex; align-items: center; justify-content: center; }
.ganrm-tile-picture > div { background-repeat: no-repeat; }
.ganrm-tile-caption { flex: none; height: 16px; line-height: 16px; display: flex; gap: 3px; align-items: center; min-width: 0; }
.ganrm-tile-number { flex: none; min-width: 14px; padding: 0 3px; border-radius: 4px; box-sizing: border-box; line-height: 14px;
  text-align: center; font-weight: bold; font-size: 11px; color: #111112; background: #d6d6da; }
.ganrm-tile[aria-selected="true"] .ganrm-tile-number { background: #ffc43d; }
.ganrm-tile-score { overflow: hidden; white-space: nowrap; font-weight: bold; font-size: 11px; color: #ececee; }
`;

/** Put the style into the page, once. */
export function addStyle() {
  const style = document.createElement("style");
  style.textContent = STYLE;
  document.head.append(style);
}
