import { PUBLIC_NAMESPACE } from '../../core/api/names.ts';
import type { LayerTransfer } from '../../core/api/tasks.ts';
import { decodeAnswer, encodeQuestion } from '../../core/format/batch.ts';
import { migrationScope, namespaceScope, objectKey } from '../../core/format/keys.ts';
import type { PushSink } from '../push/port.ts';
import type { TaskHost, TaskRun } from './task.ts';

type Stored = Pick<LayerTransfer, 'treatment' | 'published'>;

/** The namespace whose packs a transfer's deduplicated chunks lie in. */
export function storeOf(host: TaskHost, { published }: Pick<Stored, 'published'>): string {
  return published ? PUBLIC_NAMESPACE : host.namespace;
}

/**
 * Where the objects of a transfer lie: what is deduplicated is the namespace's, or all namespaces' if it is published, what
 * goes direct the migration's own.
 */
export function scopeOf(host: TaskHost, migration: string, transfer: Stored): string {
  if (transfer.treatment === 'direct') return migrationScope(host.namespace, migration);
  return namespaceScope(storeOf(host, transfer));
}

/** The index, the object store and the rounds of one transfer, through the API. Its calls fail as those of the API do. */
export function createSink(host: TaskHost, run: TaskRun, migration: string, transfer: LayerTransfer): PushSink {
  const { api, clock, measures } = host;
  const { task, attempt, cut: signal, store } = run;
  const scope = scopeOf(host, migration, transfer);
  const params = { task };
  return {
    async check(fingerprints) {
      const body = encodeQuestion(fingerprints);
      const beganMs = clock.nowMs();
      const answer = await api.call('checkFingerprints', { query: { task, attempt }, body, signal });
      measures.note('lookup', clock.nowMs() - beganMs);
      return decodeAnswer(answer);
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
