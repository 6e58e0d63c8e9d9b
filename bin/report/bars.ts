import type { Flow } from '../output/flow.ts';
import { bytes } from '../output/units.ts';
import { Html, html } from './html.ts';

const RAW_HEIGHT = 18;
const WIRE_HEIGHT = 8;
const GAP = 3;
const HEIGHT = RAW_HEIGHT + GAP + WIRE_HEIGHT + 2;

/** What the parts of a bar stand for, in the order in which they are drawn. */
export const PARTS = [
  { key: 'skipped', label: 'skipped: the destination had the layer', texture: 'hatch' },
  { key: 'elsewhere', label: 'not sent again: another VM of the gang brings it', texture: 'weave' },
  { key: 'known', label: 'taken from the store: its chunks were there', texture: 'dots' },
  { key: 'sent', label: 'sent, before compression', texture: undefined },
  { key: 'open', label: 'not moved', texture: undefined },
] as const satisfies readonly { key: keyof Flow; label: string; texture: string | undefined }[];

export const WIRE_LABEL = 'on the wire: after compression, with manifests and look-ups (thin bar)';

/** Textures that tell the fills apart without colour; once a page, before the first bar. */
export const textures = new Html(`<svg width="0" height="0" aria-hidden="true"><defs>
<pattern id="hatch" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><rect width="2" height="6" fill="#fff" fill-opacity=".55"/></pattern>
<pattern id="dots" width="6" height="6" patternUnits="userSpaceOnUse"><circle cx="3" cy="3" r="1.4" fill="#00324f" fill-opacity=".6"/></pattern>
<pattern id="weave" width="8" height="8" patternUnits="userSpaceOnUse"><path d="M0 4h8M4 0v8" stroke="#fff" stroke-opacity=".6" stroke-width="1.5"/></pattern>
</defs></svg>`);

/** A bar of raw bytes by what became of them, and under it a thin one of what crossed the wire. `scaleBytes` fill the width. */
export function flowBar(flow: Flow, scaleBytes: number): Html {
  const share = (amount: number): number => (scaleBytes === 0 ? 0 : (100 * amount) / scaleBytes);
  const parts: Html[] = [];
  let at = 0;
  for (const { key, texture } of PARTS) {
    const width = share(flow[key]);
    if (width > 0) parts.push(part({ key, texture, x: at, y: 1, width, height: RAW_HEIGHT }));
    at += width;
  }
  const wire = share(flow.wire);
  const y = 1 + RAW_HEIGHT + GAP;
  if (wire > 0) parts.push(part({ key: 'wire', texture: undefined, x: 0, y, width: wire, height: WIRE_HEIGHT }));
  const frame = html`<rect class="frame" x="0" y="1" width="${at.toFixed(3)}%" height="${RAW_HEIGHT}"/>`;
  return html`<svg role="img" width="100%" height="${HEIGHT}" aria-label="${flowText(flow)}">${parts}${frame}</svg>`;
}

interface Part {
  readonly key: string;
  readonly texture: string | undefined;
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

function part({ key, texture, x, y, width, height }: Part): Html {
  const rect = (name: string) =>
    html`<rect class="${name}" x="${x.toFixed(3)}%" y="${y}" width="${width.toFixed(3)}%" height="${height}"/>`;
  return html`${rect(key)}${texture === undefined ? undefined : rect(texture)}`;
}

/** A flow in words. */
export function flowText(flow: Flow): string {
  const parts: readonly (readonly [number, string])[] = [
    [flow.skipped, 'skipped'],
    [flow.elsewhere, 'not sent again'],
    [flow.known, 'taken from the store'],
    [flow.sent, `sent as ${bytes(flow.wire)} on the wire`],
    [flow.open, 'not moved'],
  ];
  const told = parts.filter(([amount]) => amount > 0).map(([amount, what]) => `${bytes(amount)} ${what}`);
  return told.join(', ') || 'empty';
}

export function legend(): Html {
  const entry = (key: string, texture: string | undefined, label: string, height: number) =>
    html`<li><svg width="18" height="14" aria-hidden="true">${part({ key, texture, x: 0, y: (14 - height) / 2, width: 100, height })}</svg>${label}</li>`;
  return html`<ul class="legend">${PARTS.map(({ key, texture, label }) => entry(key, texture, label, 14))}${entry('wire', undefined, WIRE_LABEL, 6)}</ul>`;
}
