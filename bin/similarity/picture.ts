import type { Similarity } from '../../agent/similarity/report.ts';
import { bytes } from '../output/units.ts';
import { Html, html } from '../report/html.ts';

/** How the picture's file begins: a newer one may replace it. */
export const PICTURE_MARK = '<!-- LayerMover similarity -->\n';

const NAME = 250;
const CELL = 54;
const ROW = 28;
const HEAD = 64;
const GAP = 36;
const BAR = 360;

/**
 * Light, and dark by the reader's wish; plain rules, as not every viewer knows variables. The one fill is of the Okabe–Ito
 * palette, its strength is the share.
 */
const style = new Html(`<style>
.page { fill: #fff; } .cell { fill: none; stroke: #d5d9df; } .share { fill: #0072b2; }
text { fill: #1c1e21; font-family: system-ui, sans-serif; font-size: 13px; }
.soft { fill: #5b616a; } .on { fill: #fff; } .title { font-size: 16px; font-weight: 600; }
.n, .mid { font-variant-numeric: tabular-nums; } .n { text-anchor: end; } .mid { text-anchor: middle; }
@media (prefers-color-scheme: dark) { .page { fill: #14171c; } .cell { stroke: #3a414c; }
text { fill: #e8eaed; } .soft { fill: #a3aab5; } .on { fill: #fff; } }
</style>`);

/** All matrices, one below the other, and what the VMs take, as one SVG file that stands alone. */
export function picture(reports: readonly Similarity[], vms: number): string {
  const layers = reports[0]!.layers.length;
  const width = Math.max(NAME + (layers + 1) * CELL + 24, NAME + BAR + 120);
  const matrixHeight = HEAD + layers * ROW + GAP;
  const spaceTop = reports.length * matrixHeight;
  const height = spaceTop + (vms === 0 ? 0 : HEAD + 3 * ROW + 16);
  const drawn = html`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img">
<title>What layers have in common</title>${style}
<rect class="page" width="${width}" height="${height}"/>
${reports.map((report, i) => html`<g transform="translate(12 ${i * matrixHeight})">${matrix(report)}</g>`)}
${vms === 0 ? undefined : html`<g transform="translate(12 ${spaceTop})">${space(reports[0]!, vms)}</g>`}
</svg>
`;
  return PICTURE_MARK + drawn.text;
}

function matrix(report: Similarity): Html {
  const heads = [...report.layers.map((_, i) => String(i + 1)), 'any'];
  return html`<text class="title" y="26">Share of a layer’s chunks of ${report.chunkBytes / 1024} KiB that another one has</text>
${heads.map((head, i) => html`<text class="mid soft" x="${NAME + (i + 0.5) * CELL}" y="${HEAD - 10}">${head}</text>`)}
${report.layers.map((_, row) => html`<g transform="translate(0 ${HEAD + row * ROW})">${matrixRow(report, row)}</g>`)}`;
}

function matrixRow({ layers, held, elsewhere }: Similarity, row: number): Html {
  const { name, dataBytes } = layers[row]!;
  const all = held[row]![row]!;
  const shares = [...held[row]!, elsewhere[row]!].map((count) => (all === 0 ? 0 : count / all));
  return html`<text y="19"><tspan class="soft">${row + 1}</tspan> ${short(name)}</text>
<text class="n soft" x="${NAME - 10}" y="19">${bytes(dataBytes)}</text>${shares.map((share, i) => cell(share, i, i === row))}`;
}

function cell(share: number, column: number, own: boolean): Html {
  const x = NAME + column * CELL;
  const frame = html`<rect class="cell" x="${x}" y="0" width="${CELL}" height="${ROW}"/>`;
  if (own) return html`${frame}<text class="mid soft" x="${x + CELL / 2}" y="19">–</text>`;
  const percent = `${Math.round(100 * share)} %`;
  return html`<rect class="share" x="${x}" y="0" width="${CELL}" height="${ROW}" fill-opacity="${share.toFixed(3)}"/>${frame}
<text class="mid${share > 0.85 ? ' on' : ''}" x="${x + CELL / 2}" y="19">${percent}</text>`;
}

function space({ flat, two, three }: Similarity, vms: number): Html {
  const bars = [
    ['flat', flat],
    ['in two layers', two],
    ['in three layers', three],
  ] as const;
  const most = Math.max(1, ...bars.map(([, amount]) => amount));
  return html`<text class="title" y="26">Data of ${vms} VM${vms === 1 ? '' : 's'}</text>
${bars.map(([name, amount], i) => {
  const [y, width] = [HEAD - 18 + i * ROW, (BAR * amount) / most];
  return html`<text y="${y + 16}">${name}</text><rect class="share" x="${NAME}" y="${y}" width="${width.toFixed(1)}" height="${ROW - 8}"/>
<text x="${(NAME + width + 8).toFixed(1)}" y="${y + 16}">${bytes(amount)}</text>`;
})}`;
}

/** A name that fits before its layer's size; its end tells more than its beginning where it is a path. */
function short(name: string): string {
  return name.length <= 22 ? name : `…${name.slice(-21)}`;
}
