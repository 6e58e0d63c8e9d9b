import type { ReceiptsView } from '../../core/api/views.ts';
import type { ErrorJson } from '../../core/errors.ts';
import { contentDigest, type Receipt, type ReceiptLayer } from '../../core/receipt.ts';
import { momentUtc } from '../output/times.ts';
import { type Html, html } from './html.ts';

type VmReceipts = ReceiptsView['vms'][number];

function side(name: string, receipt: Receipt | undefined): Html {
  if (receipt === undefined) return html`<p>${name}: <span class="soft">no receipt</span></p>`;
  return html`<p>${name}, ${momentUtc(receipt.atMs)}: <code>${contentDigest(receipt)}</code></p>`;
}

function layerRows({ source, destination }: VmReceipts): Html[] {
  const depth = Math.max(source?.layers.length ?? 0, destination?.layers.length ?? 0);
  return Array.from({ length: depth }, (_, at) => {
    const [left, right] = [source?.layers[at], destination?.layers[at]];
    const same = left?.layerId === right?.layerId;
    const id = same
      ? html`<code>${left?.layerId}</code>`
      : html`<code>${left?.layerId ?? 'none'}</code><br><span class="bad">≠</span> <code>${right?.layerId ?? 'none'}</code>`;
    return html`<tr><td class="name">${diskOf(right ?? left)}<bdi>${right?.name ?? left?.name}</bdi></td><td>${id}</td><td>${evidenceOf(left)}</td><td>${evidenceOf(right)}</td></tr>`;
  });
}

/** How a side knows what it says, and of when that is. */
function evidenceOf(layer: ReceiptLayer | undefined): Html | string {
  if (layer?.scannedMs === undefined) return layer?.evidence ?? '–';
  return html`${layer.evidence} <span class="soft">${momentUtc(layer.scannedMs)}</span>`;
}

function diskOf(layer: ReceiptLayer | undefined): Html | undefined {
  return layer?.disk === undefined ? undefined : html`<b>${layer.disk}</b> `;
}

function vmProof(vm: VmReceipts): Html {
  const both = vm.source !== undefined && vm.destination !== undefined;
  const verdict = vm.agree
    ? html`<span class="good">both sides agree ✓</span>`
    : html`<span class="bad">${both ? 'the sides differ ✗' : 'not proven: a receipt is missing'}</span>`;
  const layers = html`<div class="wide"><table><thead><tr><th>layer</th><th>layer id</th><th>source</th><th>destination</th></tr></thead><tbody>${layerRows(vm)}</tbody></table></div>`;
  return html`<h3><bdi>${vm.vm}</bdi>: ${verdict}</h3>${side('Source', vm.source)}${side('Destination', vm.destination)}${vm.source || vm.destination ? layers : undefined}`;
}

/** What each side says it holds. */
export function receiptsSection(receipts: ReceiptsView): Html {
  return html`<h2>Receipts</h2>
<p class="soft">Each side read its layers and says what it holds, as one SHA-256 over the chain. “read”: from the disk, for this migration; “catalogued”: before it, by the whole read of the time that is told.</p>
${receipts.vms.map(vmProof)}`;
}

/** An error with its hint and its causes. */
export function errorBox(what: string, error: ErrorJson): Html {
  const causes: Html[] = [];
  for (let each = error.cause; each !== undefined; each = each.cause)
    causes.push(html`<p class="soft">because: ${each.message} <code>${each.code}</code></p>`);
  const hint = error.hint === undefined ? undefined : html`<p>What to do: ${error.hint}</p>`;
  return html`<div class="error"><p><b><bdi>${what}</bdi></b>: ${error.message} <code>${error.code}</code></p>${hint}${causes}</div>`;
}
