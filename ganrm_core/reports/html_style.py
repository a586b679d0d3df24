"""The look of a report page: quiet neutral greys that leave colour to the pictures."""

from __future__ import annotations

STYLE = """
:root {
  --page: #f4f4f5; --card: #ffffff; --frame: #ececee; --line: #e2e2e5;
  --text: #18181a; --soft: #66666c; --accent: #e8a600; --notice: #fff6dd; --notice-line: #f0d48a;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #18181a; --card: #262628; --frame: #1b1b1d; --line: #3a3a3e;
    --text: #ececee; --soft: #a2a2a8; --accent: #ffc43d; --notice: #2f2a1c; --notice-line: #5c4d20;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body {
  margin: 0; background: var(--page); color: var(--text);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "Noto Sans", sans-serif;
}
main {
  max-width: 1100px; margin: 0 auto; padding: 48px 24px 16px;
  display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 24px;
}
.wide { grid-column: 1 / -1; }
h1, h2, p, dl, dd, ul, figure { margin: 0; padding: 0; }
h1 { font-size: 30px; line-height: 1.2; font-weight: 650; letter-spacing: -0.015em; overflow-wrap: anywhere; }
h2 { font-size: 19px; line-height: 1.3; font-weight: 620; letter-spacing: -0.005em; overflow-wrap: anywhere; }
.opening { display: flex; gap: 28px 56px; align-items: center; margin: 24px 0 32px; }
.headline { flex: 0 0 300px; }
.headline .label { color: var(--soft); font-size: 14px; }
.headline .value {
  font-size: 76px; line-height: 1.08; font-weight: 680; letter-spacing: -0.03em; font-variant-numeric: tabular-nums;
}
.headline .note { color: var(--soft); font-size: 14px; }
.scale { position: relative; height: 6px; margin: 16px 0 8px; border-radius: 3px; background: var(--line); }
.scale i { position: absolute; top: 0; height: 6px; border-radius: 3px; background: var(--accent); opacity: 0.5; }
.scale b {
  position: absolute; top: -5px; width: 16px; height: 16px; margin-left: -8px; border-radius: 50%;
  background: var(--accent); border: 3px solid var(--page);
}
.ends { display: flex; justify-content: space-between; color: var(--soft); font-size: 12.5px; }
.lead { font-size: 20px; line-height: 1.5; max-width: 40em; overflow-wrap: anywhere; }
.facts {
  display: grid; grid-template-columns: repeat(auto-fit, minmax(200px, 1fr));
  gap: 18px 28px; padding-top: 20px; border-top: 1px solid var(--line);
}
.facts dt { color: var(--soft); font-size: 13.5px; }
.facts dd { color: var(--soft); font-size: 13.5px; line-height: 1.45; overflow-wrap: anywhere; }
.facts dt + dd { color: var(--text); font-size: 17px; font-weight: 600; }
aside, section { border-radius: 14px; padding: 24px; }
aside { background: var(--notice); border: 1px solid var(--notice-line); }
aside ul { padding-left: 20px; margin-top: 8px; }
aside li { overflow-wrap: anywhere; }
aside li + li { margin-top: 6px; }
section { display: flex; flex-direction: column; background: var(--card); box-shadow: 0 1px 2px rgb(0 0 0 / 6%); }
section > p { color: var(--soft); margin-top: 6px; max-width: 52em; }
.figures, .thumbnails, section > .scroll { margin-top: 18px; }
.scroll { overflow-x: auto; }
.figures { display: grid; grid-template-columns: minmax(0, 1fr); gap: 24px; }
section:not(.wide) .figures { margin-top: auto; padding-top: 18px; }
.figures img { display: block; max-width: 100%; height: auto; margin: 0 auto; border-radius: 8px; }
.thumbnails { display: grid; grid-template-columns: repeat(4, minmax(0, 1fr)); gap: 20px 16px; }
.frame { aspect-ratio: 1; border-radius: 8px; overflow: hidden; background: var(--frame); }
.frame img { display: block; width: 100%; height: 100%; object-fit: contain; }
figcaption { margin-top: 8px; font-size: 13.5px; line-height: 1.4; }
figcaption b { display: block; font-size: 16px; font-weight: 620; font-variant-numeric: tabular-nums; }
figcaption span { display: block; color: var(--soft); }
.thumbnails span { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
table { width: 100%; border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: 8px 12px; text-align: right; border-bottom: 1px solid var(--line); }
th:first-child, td:first-child { text-align: left; padding-left: 0; }
th { color: var(--soft); font-size: 13.5px; font-weight: 500; }
tr:last-child td { border-bottom: 0; }
footer { padding: 8px 24px 40px; text-align: center; color: var(--soft); font-size: 13px; }
@media (max-width: 800px) {
  main { grid-template-columns: minmax(0, 1fr); padding: 28px 14px 8px; gap: 14px; }
  .opening { flex-direction: column; align-items: stretch; }
  .headline { flex-basis: auto; }
  .lead { font-size: 18px; }
  aside, section { padding: 18px; border-radius: 12px; }
  .figures img.broad { max-width: none; width: 680px; }
  .thumbnails { grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 16px 12px; }
}
@media print {
  section, figure { break-inside: avoid; box-shadow: none; }
}
"""
