import { Html } from './html.ts';

/**
 * Light and dark, narrow and wide, and on paper. The fills are of the Okabe–Ito palette (colour-blind people tell them
 * apart); those that stand for bytes that were not sent have a texture, too.
 */
export const style = new Html(`
:root { color-scheme: light dark; --skipped: #009e73; --known: #56b4e9; --elsewhere: #cc79a7; --sent: #e69f00; --wire: #d55e00;
  --text: #1c1e21; --soft: #5b616a; --page: #ffffff; --card: #f6f7f9; --line: #d5d9df; --good: #00704f; --bad: #b3261e; }
@media (prefers-color-scheme: dark) { :root { --text: #e8eaed; --soft: #a3aab5; --page: #14171c; --card: #1d2229;
  --line: #3a414c; --good: #3ecf9d; --bad: #ff8a80; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.5rem 1rem 3rem; max-width: 62rem; background: var(--page); color: var(--text);
  font: 16px/1.45 system-ui, sans-serif; }
h1 { font-size: 1.5rem; margin: 0 0 .25rem; }
h2 { font-size: 1.15rem; margin: 2.2rem 0 .6rem; }
h3 { font-size: 1rem; margin: 1.4rem 0 .4rem; }
p { margin: .3rem 0; }
.soft { color: var(--soft); }
.good { color: var(--good); font-weight: 600; }
.bad { color: var(--bad); font-weight: 600; }
code, .id { font-family: ui-monospace, monospace; font-size: .85em; overflow-wrap: anywhere; }
bdi { overflow-wrap: anywhere; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(10.5rem, 1fr)); gap: .6rem; margin: 1rem 0; }
.tile { background: var(--card); border: 1px solid var(--line); border-radius: .5rem; padding: .6rem .8rem; }
.tile b { display: block; white-space: nowrap; font-size: 1.35rem; }
.legend { display: flex; flex-wrap: wrap; gap: .3rem 1.2rem; padding: 0; list-style: none; font-size: .9rem; }
.legend svg { vertical-align: -.15em; margin-right: .35em; }
.layer { margin: .55rem 0 .8rem; break-inside: avoid; }
.layer p { font-size: .9rem; }
svg { display: block; }
.legend svg { display: inline; }
.frame { fill: none; stroke: var(--soft); stroke-width: 1; }
.skipped { fill: var(--skipped); } .elsewhere { fill: var(--elsewhere); }
.known { fill: var(--known); } .sent { fill: var(--sent); } .wire { fill: var(--wire); }
.open { fill: var(--line); }
.hatch { fill: url(#hatch); } .dots { fill: url(#dots); } .weave { fill: url(#weave); }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .88rem; }
th, td { text-align: left; padding: .3rem .6rem .3rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
th.n, td.n { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
td.name { min-width: 9rem; } td:first-child { min-width: 4.5rem; }
.error { border-left: 4px solid var(--bad); padding: .4rem .8rem; background: var(--card); margin: .6rem 0; }
.error p { overflow-wrap: anywhere; white-space: pre-wrap; }
@media print { body { max-width: none; padding: 0; font-size: 11pt; } .tile { break-inside: avoid; }
  table { font-size: 8pt; } * { print-color-adjust: exact; -webkit-print-color-adjust: exact; } .wide { overflow: visible; } }
`);
