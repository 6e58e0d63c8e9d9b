import type { MigrationView, ReceiptsView } from '../../core/api/views.ts';
import { hasEnded } from '../../core/migration.ts';
import { wishWords } from '../output/live.ts';
import { momentUtc } from '../output/times.ts';
import { seconds } from '../output/units.ts';
import { figures, totals, vmTable } from './figures.ts';
import { forecastSection } from './forecast.ts';
import { type Html, html } from './html.ts';
import { picture } from './picture.ts';
import { errorBox, receiptsSection } from './proof.ts';
import { roundsSection } from './rounds.ts';
import { style } from './style.ts';

/** How a report's file begins: whoever finds it in the way of a new one may replace it. */
export const REPORT_MARK = '<!doctype html>\n<!-- LayerMover report -->\n';

export interface ReportContent {
  readonly migration: MigrationView;
  readonly receipts: ReceiptsView;
  readonly version: string;
  readonly atMs: number;
}

const NAMES_MAX = 3;

function title({ vm_names: names, to }: MigrationView): string {
  return `${names.length <= NAMES_MAX ? names.join(', ') : `${names.length} VMs`} to ${to}`;
}

function heading({ migration }: ReportContent): Html {
  const isGood = migration.state === 'committed' || migration.state === 'planned';
  const tone = isGood ? 'good' : hasEnded(migration.state) ? 'bad' : 'soft';
  const mark =
    { committed: ' ✓', planned: '', failed: ' ✗', aborted: ' ✗' }[migration.state as string] ?? ', still running';
  return html`<h1><bdi>${title(migration)}</bdi></h1>
<p><span class="${tone}">${migration.state}${mark}</span> · <span class="id">${migration.id}</span> · ${[`policy ${migration.policy}`, ...wishWords(migration)].join(' · ')}</p>`;
}

function times({ migration, atMs }: ReportContent): Html {
  const ended = migration.ended_ms;
  const took = seconds(Math.max(0, (ended ?? atMs) - migration.created_ms) / 1000);
  const end = ended === undefined ? html`as of ${momentUtc(atMs)}` : html`ended ${momentUtc(ended)}`;
  const runs = migration.run > 1 ? html` Run ${migration.run}: it was resumed.` : undefined;
  return html`<p class="soft">Requested ${momentUtc(migration.created_ms)}, ${end}: ${took}.${runs}</p>`;
}

function errors({ migration }: ReportContent): Html | undefined {
  const boxes = [
    ...(migration.error ? [errorBox('Migration', migration.error)] : []),
    ...migration.vms.flatMap((vm) => (vm.error ? [errorBox(vm.name, vm.error)] : [])),
  ];
  if (boxes.length === 0 && migration.state !== 'aborted') return undefined;
  const stay = html`<p>VMs that are not committed stay with their source, unchanged.</p>`;
  return html`<h2>What went wrong</h2>${migration.state === 'aborted' ? html`<p>It was aborted.</p>` : undefined}${boxes}${stay}`;
}

/** One page that stands alone: no scripts, and nothing is fetched from anywhere. */
export function reportPage(content: ReportContent): string {
  const { migration, receipts, version } = content;
  const page = html`<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="generator" content="LayerMover ${version}">
<title>${title(migration)}: ${migration.state}</title>
<style>${style}</style></head><body>
${heading(content)}${times(content)}${errors(content)}${totals(migration)}${forecastSection(migration)}
${migration.vms.length === 0 ? undefined : html`${picture(migration.vms)}${vmTable(migration)}${roundsSection(migration)}${figures(migration)}${receiptsSection(receipts)}`}
<p class="soft">Made by LayerMover ${version} on ${momentUtc(content.atMs)}.</p>
</body></html>
`;
  return REPORT_MARK + page.text;
}
