import { stat } from 'node:fs/promises';
import type { ApiClient } from '../../adapters/api/client.ts';
import { skewOf } from '../../adapters/api/skew.ts';
import { systemClock } from '../../adapters/system/clock.ts';
import type { HostRef } from '../../core/api/names.ts';
import type { LayerView } from '../../core/api/views.ts';
import { limits } from '../../core/limits.ts';
import { hasEnded } from '../../core/migration.ts';
import { type CloudFile, clientOf, cloudFilePath, readCloudFile } from '../connection.ts';
import { seconds } from '../output/units.ts';
import { allPages } from '../pages.ts';
import { type Finding, finding, good } from './finding.ts';

const ANSWER_MS_MAX = 5_000;
const MIGRATIONS_LOOKED_AT = 200;

/** The cloud as it is seen from here, and what is on its way to `host`: bytes, undefined if that can't be told. */
export interface CloudSeen {
  readonly findings: readonly Finding[];
  readonly arriving: number | undefined;
}

export async function examineCloud(file: string | undefined, host: HostRef | undefined): Promise<CloudSeen> {
  try {
    const cloud = await readCloudFile(file);
    const secret = await secrecy(cloudFilePath(file));
    const clock = await reach(cloud);
    const client = clientOf(cloud);
    const { hosts } = await client.call('listHosts', {});
    const cloudFinding = good('cloud', `${cloud.api_url}, ${hosts.length} hosts enrolled`);
    const arriving = host === undefined ? undefined : await onTheWay(client, host);
    return { findings: [cloudFinding, secret, clock], arriving };
  } catch (error) {
    const { message, hint } = error as { message: string; hint?: string };
    return { findings: [finding('cloud', 'lacking', message, hint ?? 'is it running?')], arriving: undefined };
  }
}

/** The cloud file holds a secret key. */
async function secrecy(file: string): Promise<Finding> {
  const { mode } = await stat(file);
  if ((mode & 0o077) === 0) return good('cloud file', file);
  return finding('cloud file', 'unsafe', `others may read the keys in ${file}`, `chmod 600 ${file}`);
}

/** One unsigned call, which is refused: its Date tells how far the clocks are apart. */
async function reach(cloud: CloudFile): Promise<Finding> {
  const answer = await fetch(cloud.api_url, { signal: AbortSignal.timeout(ANSWER_MS_MAX) }).catch(() => {
    throw Object.assign(new Error(`${cloud.api_url} does not answer`), {
      hint: 'start it again (`layermover cloud start` with its --data), or check the network',
    });
  });
  await answer.body?.cancel();
  const skewMs = skewOf(answer, systemClock.nowMs());
  if (skewMs === undefined)
    return finding('clock', 'note', 'the cloud does not tell its time', 'see that both clocks are right');
  if (Math.abs(skewMs) <= limits.clock_skew_ms) return good('clock', 'as the cloud’s');
  const detail = `${seconds(Math.round(Math.abs(skewMs) / 1000))} ${skewMs < 0 ? 'ahead of' : 'behind'} the cloud’s`;
  return finding('clock', 'unsafe', detail, 'set the clock, best by NTP: leases and receipts tell times by it');
}

/** Bytes that running migrations have still to write at a host. */
async function onTheWay(client: ApiClient, host: HostRef): Promise<number> {
  const all = await allPages(MIGRATIONS_LOOKED_AT, async (query) => {
    const page = await client.call('listMigrations', { query });
    return { items: page.migrations, next: page.next };
  });
  const running = all.filter((each) => each.to === host && !hasEnded(each.state));
  const views = await Promise.all(running.map(({ id }) => client.call('getMigration', { params: { migration: id } })));
  const left = (layer: LayerView): number =>
    layer.shared || layer.treatment === 'skip' ? 0 : Math.max(0, layer.logical_bytes - layer.done_bytes);
  return views.flatMap((view) => view.vms.flatMap((vm) => vm.layers)).reduce((sum, layer) => sum + left(layer), 0);
}
