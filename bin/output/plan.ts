import type { LinkRates, MigrationForecast } from '../../core/api/forecast.ts';
import type { LayerView, MigrationView, VmView } from '../../core/api/views.ts';
import { shareWords } from '../../core/planner/words.ts';
import { PRICES } from '../../core/prices.ts';
import { gangWords } from './forecast.ts';
import { ms } from './live.ts';
import { type Column, table, terminalWidth } from './table.ts';
import { bytes } from './units.ts';
import { visible } from './visible.ts';

const COLUMNS: readonly Column[] = [
  { head: 'VM', wraps: 10 },
  { head: 'layer', wraps: 16 },
  { head: 'treatment' },
  { head: 'holds', align: 'right' },
  { head: 'on the wire', align: 'right' },
  { head: 'time', align: 'right' },
  { head: 'why', wraps: 20 },
];

function layerRow(vm: VmView, layer: LayerView, at: number): string[] {
  const { forecast } = layer;
  return [
    at === 0 ? vm.name : '',
    `${layer.kind} ${visible(layer.name)}`,
    layer.treatment,
    bytes(layer.logical_bytes),
    forecast === undefined ? '–' : bytes(forecast.wire_bytes),
    forecast === undefined ? '–' : ms(forecast.milliseconds),
    layer.shared ? 'sent once, with another VM' : layer.reason,
  ];
}

/** What a plan expects, for a person. `explain`: and what it rests on. */
export function planReport(
  { vms, forecast }: Pick<MigrationView, 'vms' | 'forecast'>,
  { explain }: { explain: boolean },
  width = terminalWidth(),
): string {
  if (forecast === undefined) return 'it is not planned yet';
  const rows = vms.flatMap((vm) => vm.layers.map((layer, at) => layerRow(vm, layer, at)));
  const told = [
    table(COLUMNS, rows, width),
    totals(forecast),
    ...pauseWords(forecast),
    ...gangWords({ forecast, vms }),
    dollarWords(forecast),
  ];
  return [...told, ...(explain ? explanation(vms, forecast) : [])].join('\n');
}

function totals({ milliseconds, wire_bytes, pulled_bytes }: MigrationForecast): string {
  return `all of it: ${ms(milliseconds)}, ${bytes(wire_bytes)} sent, ${bytes(pulled_bytes)} fetched`;
}

/** Of running VMs: what a cutover is expected to pause them for. */
function pauseWords({ pauses = [] }: MigrationForecast): string[] {
  return pauses.map(({ vm, writes_bytes_per_second: writes, rounds, pause_ms: pause }) => {
    const end = pause === undefined ? 'it does not converge, and stays' : `then a pause of ${ms(pause)}`;
    return `${vm} writes ${bytes(writes)}/s: ${rounds} ${rounds === 1 ? 'round' : 'rounds'}, ${end}`;
  });
}

function dollarWords({ dollars, costs }: MigrationForecast): string {
  const items = costs.map((cost) => `  ${dollarsOf(cost.dollars).padStart(10)}  ${cost.item}`);
  return [`on AWS, list prices of ${PRICES.asOf}: ${dollarsOf(dollars)}`, ...items].join('\n');
}

function dollarsOf(dollars: number): string {
  return `$${dollars.toFixed(dollars >= 1 ? 2 : 6)}`;
}

const RATES: readonly (readonly [keyof Omit<LinkRates, 'source'>, string])[] = [
  ['hash', 'the source reads and fingerprints'],
  ['compress', 'the source compresses'],
  ['load', 'both beside sending, by past transfers'],
  ['up', 'from the source to the store'],
  ['down', 'from the store to the destination'],
  ['unpack', 'the destination decompresses and writes'],
  ['read_back', 'the destination reads back'],
  ['call', 'a call of the API'],
  ['lookup', 'a batch of fingerprints'],
];

function rateWords(name: string, value: number): string {
  if (name === 'load') return `${value.toFixed(1)} × as long`;
  return name === 'call' || name === 'lookup' ? ms(Math.round(value)) : `${bytes(value)}/s`;
}

function explanation(vms: readonly VmView[], { rates }: MigrationForecast): string[] {
  const links = rates.flatMap((link) => [
    `from ${link.source}:`,
    ...RATES.flatMap(([name, what]) => {
      const { value, from } = link[name] ?? {};
      if (value === undefined) return [];
      return [`  ${what}: ${rateWords(name, value)}, ${from}`];
    }),
  ]);
  return [...links, ...vms.flatMap(({ name, layers }) => layers.flatMap((layer) => layerWords(name, layer)))];
}

function layerWords(vm: string, { kind, name, forecast }: LayerView): string[] {
  if (forecast === undefined) return [];
  const { duplicates, compressed, level, other } = forecast;
  const known = duplicates === undefined ? 'not looked up' : `${shareWords(duplicates)} (${duplicates.seen} hooks)`;
  const left = compressed === undefined ? 'assumed 50 %' : `${Math.round(100 * compressed.value)} %`;
  const tried =
    compressed === undefined
      ? ''
      : ` (${bytes(compressed.seen)} tried${level === undefined ? '' : ` at level ${level}`})`;
  return [
    `${vm} ${kind} ${visible(name)}: known chunks ${known}; left after compression ${left}${tried}`,
    ...(other === undefined
      ? []
      : [`  ${other.treatment} would take ${ms(other.milliseconds)}, ${bytes(other.wire_bytes)} sent`]),
  ];
}
