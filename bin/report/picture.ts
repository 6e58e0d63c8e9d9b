import type { LayerView, MigrationView, VmView } from '../../core/api/views.ts';
import { diskLabel } from '../output/disk-label.ts';
import { flowOf } from '../output/flow.ts';
import { bytes } from '../output/units.ts';
import { flowBar, flowText } from './bars.ts';
import { type Html, html } from './html.ts';

type Vms = MigrationView['vms'];

/** Streams that several VMs, or disks of one, bring, with their names, in the order of the chains. */
function sharedStreams(vms: Vms): Map<string, string[]> {
  const users = new Map<string, string[]>();
  for (const vm of vms)
    for (const { stream, disk } of vm.layers)
      users.set(stream, [...(users.get(stream) ?? []), diskLabel(vm.name, disk)]);
  return new Map([...users].filter(([, names]) => names.length > 1));
}

function layerRow(layer: LayerView, moved: boolean, scaleBytes: number, note?: Html): Html {
  const flow = flowOf(layer, moved);
  return html`<div class="layer">
<p><b>${kindOf(layer)}</b> <bdi>${layer.name}</bdi> <span class="soft">${bytes(layer.logical_bytes)} · ${layer.treatment}${note}</span></p>
${flowBar(flow, scaleBytes)}
<p class="soft">${flowText(flow)}. <span>Why: ${layer.reason}.</span>${unasked(layer)}</p>
</div>`;
}

function unasked({ unasked_bytes: amount = 0 }: LayerView): Html | undefined {
  return amount === 0
    ? undefined
    : html` <span>${bytes(amount)} of it were not looked up: it turned out not to pay.</span>`;
}

function kindOf({ disk, kind }: LayerView): string {
  return disk === undefined ? kind : `${disk} ${kind}`;
}

function sharedSection(vms: Vms, shared: ReadonlyMap<string, readonly string[]>, scaleBytes: number): Html | undefined {
  if (shared.size === 0) return undefined;
  const rows = [...shared].map(([stream, names]) => {
    const users = vms.filter((vm) => vm.layers.some((layer) => layer.stream === stream));
    const layer = users.flatMap((vm) => vm.layers).find((each) => each.stream === stream && !each.shared);
    const what = users.some((vm) => vm.layers.some(({ disk }) => disk !== undefined)) ? 'disks' : 'VMs';
    const moved = users.some((vm) => vm.state === 'committed');
    return layer && layerRow(layer, moved, scaleBytes, html` · of ${names.length} ${what}: ${names.join(', ')}`);
  });
  return html`<h3>Layers that several of these VMs share, shown once</h3>${rows.filter((row) => row !== undefined)}`;
}

function vmSection(vm: VmView, shared: ReadonlyMap<string, unknown>, scaleBytes: number): Html {
  const rows = vm.layers.map((layer) =>
    shared.has(layer.stream)
      ? html`<p class="soft"><b>${kindOf(layer)}</b> <bdi>${layer.name}</bdi>: shared, above</p>`
      : layerRow(layer, vm.state === 'committed', scaleBytes),
  );
  const none = html`<p class="soft">Its layers are not known.</p>`;
  return html`<h3><bdi>${vm.name}</bdi></h3>${rows.length === 0 ? none : rows}`;
}

/** The chains, bottom layer first, with the layers that a gang shares drawn once; all bars on one scale. */
export function picture(vms: Vms): Html {
  const shared = sharedStreams(vms);
  const scaleBytes = Math.max(
    0,
    ...vms.flatMap((vm) => vm.layers.map((layer) => Math.max(layer.logical_bytes, layer.wire_bytes))),
  );
  return html`<h2>Layer by layer</h2>
<p class="soft">All bars have one scale: the full width is ${bytes(scaleBytes)}.</p>
${sharedSection(vms, shared, scaleBytes)}${vms.map((vm) => vmSection(vm, shared, scaleBytes))}`;
}
