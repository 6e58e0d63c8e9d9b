import type { LayerView, MigrationView, VmView } from '../../core/api/views.ts';
import { gangWords, outcomeWords } from '../output/forecast.ts';
import { ms } from '../output/live.ts';
import { bytes } from '../output/units.ts';
import { type Html, html } from './html.ts';

function layerRow(vm: VmView, layer: LayerView): Html[] {
  const { forecast, wire_bytes: wire, pulled_bytes: pulled } = layer;
  if (forecast === undefined || layer.treatment === 'skip') return [];
  return [
    html`<tr><td><bdi>${vm.name}</bdi></td><td class="name">${layer.kind} <bdi>${layer.name}</bdi></td><td>${layer.treatment}</td>
<td class="n">${bytes(forecast.wire_bytes)}</td><td class="n">${bytes(wire)}</td><td class="n">${bytes(forecast.pulled_bytes)}</td><td class="n">${bytes(pulled)}</td><td class="n">${ms(forecast.milliseconds)}</td><td class="n">${ms(Math.round(layer.seconds * 1000))}</td></tr>`,
  ];
}

/** What was expected of each layer, and of all, beside what it was; nothing before it is planned. */
export function forecastSection(migration: MigrationView): Html | undefined {
  if (migration.forecast === undefined) return undefined;
  const words = [...outcomeWords(migration), ...gangWords(migration)].map((line) => html`<p class="soft">${line}.</p>`);
  const rows = migration.vms.flatMap((vm) => vm.layers.flatMap((layer) => layerRow(vm, layer)));
  return html`<h2>Expected, and what it was</h2>${words}<div class="wide"><table>
<thead><tr><th>VM</th><th>layer</th><th>treatment</th><th class="n">wire, expected</th><th class="n">was</th><th class="n">fetched, expected</th><th class="n">was</th><th class="n">time, expected</th><th class="n">was</th></tr></thead>
<tbody>${rows}</tbody></table></div>`;
}
