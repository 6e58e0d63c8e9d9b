import type { MigrationView, VmView } from '../../core/api/views.ts';
import { diskLabel } from '../output/disk-label.ts';
import { flowOf, sumOf } from '../output/flow.ts';
import { bytes, rate, seconds } from '../output/units.ts';
import { flowBar, legend, textures } from './bars.ts';
import { type Html, html } from './html.ts';

function tile(figure: string, what: string): Html {
  return html`<div class="tile"><b>${figure}</b>${what}</div>`;
}

/** All VMs in one bar, and what it saved against sending every VM's every layer as it is. */
export function totals(migration: MigrationView): Html {
  const flow = sumOf(migration.vms.flatMap((vm) => vm.layers.map((layer) => flowOf(layer, vm.state === 'committed'))));
  const all = migration.vms.reduce((sum, vm) => sum + vm.logical_bytes, 0);
  const saved = Math.max(0, all - flow.wire);
  const percent = Math.round((100 * saved) / Math.max(1, all));
  return html`${textures}<h2>All of it</h2>${legend()}${flowBar(flow, Math.max(all, flow.wire))}<div class="tiles">
${tile(bytes(all), 'in all layers of all VMs')}
${tile(bytes(flow.wire), 'on the wire')}
${migration.state === 'committed' ? tile(`${bytes(saved)}, ${percent} %`, 'saved against sending all') : undefined}
${tile(bytes(flow.skipped), 'skipped: at the destination')}
${tile(bytes(flow.elsewhere), 'not sent again: shared by VMs')}
${tile(bytes(flow.known), 'taken from the store')}
${tile(bytes(Math.max(0, flow.sent - flow.wire)), 'compressed away')}
${flow.open > 0 ? tile(bytes(flow.open), 'not moved') : undefined}
</div>`;
}

function layerRows(vm: VmView): Html[] {
  return vm.layers.map((layer) => {
    const flow = flowOf(layer, vm.state === 'committed');
    const time = layer.seconds > 0 ? seconds(layer.seconds) : '–';
    const speed = layer.wire_bytes > 0 ? rate(layer.logical_bytes, layer.seconds) : '–';
    return html`<tr><td><bdi>${diskLabel(vm.name, layer.disk)}</bdi></td><td class="name">${layer.kind} <bdi>${layer.name}</bdi></td><td>${layer.treatment}</td>
<td class="n">${bytes(layer.logical_bytes)}</td><td class="n">${bytes(flow.skipped)}</td><td class="n">${bytes(flow.elsewhere)}</td><td class="n">${bytes(flow.known)}</td><td class="n">${bytes(flow.sent)}</td><td class="n">${bytes(flow.wire)}</td><td class="n">${time}</td><td class="n">${speed}</td></tr>`;
  });
}

/** Every figure of the picture, and the times. */
export function figures(migration: MigrationView): Html {
  return html`<h2>Figures</h2><div class="wide"><table>
<thead><tr><th>VM</th><th>layer</th><th>treatment</th><th class="n">raw</th><th class="n">skipped</th><th class="n">shared</th><th class="n">from store</th><th class="n">sent raw</th><th class="n">on the wire</th><th class="n">time</th><th class="n">rate</th></tr></thead>
<tbody>${migration.vms.flatMap(layerRows)}</tbody></table></div>
<p class="soft">Decimal units: 1 MB is 1,000,000 bytes. A layer's time is the longer of the two sides' own.</p>`;
}

/** Each VM's way: from where, how it ended, how long it took. */
export function vmTable(migration: MigrationView): Html {
  const rows = migration.vms.map(
    (vm) => html`<tr><td><bdi>${vm.name}</bdi></td><td>${vm.source}</td><td>${outcome(vm)}</td>
<td class="n">${bytes(vm.logical_bytes)}</td><td class="n">${bytes(vm.wire_bytes)}</td><td class="n">${seconds(vm.seconds)}</td></tr>`,
  );
  return html`<h2>VMs</h2><div class="wide"><table>
<thead><tr><th>VM</th><th>from</th><th>outcome</th><th class="n">raw</th><th class="n">on the wire</th><th class="n">time</th></tr></thead>
<tbody>${rows}</tbody></table></div>
${migration.mode === 'cold' ? html`<p class="soft">One round each: a stopped VM does not change while it is copied, so its cutover moves all of it.</p>` : undefined}`;
}

function outcome(vm: VmView): Html {
  if (vm.state !== 'committed') return html`<span class="bad">${vm.state}</span>`;
  return vm.equal
    ? html`<span class="good">committed, proven equal ✓</span>`
    : html`<span class="bad">committed, not proven ✗</span>`;
}
