import type { LayerTransfer } from '../../core/api/tasks.ts';
import { decodeAnswer, encodeQuestion } from '../../core/format/batch.ts';
import { migrationScope, namespaceScope, objectKey } from '../../core/format/keys.ts';
import type { PushSink } from '../push/port.ts';
import type { TaskHost, TaskRun } from './task.ts';

/** Where the objects of a transfer lie: what is deduplicated is the namespace's, what goes direct the migration's own. */
export function scopeOf(host: TaskHost, migration: string, { treatment }: Pick<LayerTransfer, 'treatment'>): string {
  return treatment === 'direct' ? migrationScope(host.namespace, migration) : namespaceScope(host.namespace);
}

/** The index, the object store and the rounds of one transfer, through the API. Its calls fail as those of the API do. */
export function createSink(host: TaskHost, run: TaskRun, migration: string, transfer: LayerTransfer): PushSink {
  const { api } = host;
  const { task, attempt, cut: signal, store } = run;
  const scope = scopeOf(host, migration, transfer);
  const params = { task };
  return {
    async check(fingerprints) {
      const body = encodeQuestion(fingerprints);
      return decodeAnswer(await api.call('checkFingerprints', { query: { task, attempt }, body, signal }));
    },
    put: (kind, id, parts) => store.put(objectKey(scope, kind, id), parts),
    async announce(packs, release) {
      const body = { attempt, packs: [...packs], ...(release === undefined ? {} : { release }) };
      await api.call('announcePacks', { params, body, signal });
    },
    async commit({ sequence, segments, layerId }) {
      const last = layerId === undefined ? {} : { layer_id: layerId };
      const body = { attempt, stream: transfer.stream, sequence, segments: [...segments], ...last };
      await api.call('commitRound', { params, body, signal });
    },
  };
}
