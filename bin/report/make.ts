import type { ApiClient } from '../../adapters/api/client.ts';
import { systemClock } from '../../adapters/system/clock.ts';
import type { MigrationView } from '../../core/api/views.ts';
import { LayerMoverError } from '../../core/errors.ts';
import { jsonLine } from '../output/json-lines.ts';
import { VERSION } from '../version.ts';
import { writeReport } from './file.ts';
import { reportPage } from './page.ts';

/** Writes the page of a migration, as it is now, to a place that `reportPlace` gave. */
export async function makeReport(
  client: ApiClient,
  migration: MigrationView,
  place: string,
  json: boolean,
): Promise<void> {
  try {
    const receipts = await client.call('getReceipts', { params: { migration: migration.id } });
    await writeReport(place, reportPage({ migration, receipts, version: VERSION, atMs: systemClock.nowMs() }));
  } catch (cause) {
    const message = `migration ${migration.id} is ${migration.state}, but its report could not be written`;
    const hint = `\`layermover report ${migration.id} --out FILE\` makes it again`;
    throw new LayerMoverError('REPORT_NOT_WRITTEN', `${message}: ${(cause as Error).message}`, { hint, cause });
  }
  if (json) jsonLine('report', { migration: migration.id, file: place });
  else process.stderr.write(`report: ${place}\n`);
}
