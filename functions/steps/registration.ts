import { PUBLIC_NAMESPACE } from '../../core/api/names.ts';
import type { LayerTransfer, TaskInput } from '../../core/api/tasks.ts';
import type { ErrorJson } from '../../core/errors.ts';
import { RUNNING } from '../../core/migration.ts';
import type { MigrationRecord, RegisteredLayer, Registration } from '../../core/records.ts';
import { changeState } from '../records/change-state.ts';
import type { StepDeps } from './deps.ts';

/** A migration's record that registers layers. */
export type RegistrationRecord = MigrationRecord & { readonly registration: Registration };

export function isRegistration(record: MigrationRecord): record is RegistrationRecord {
  return record.registration !== undefined;
}

/** What the host's agent is asked to fingerprint. */
export function registerInput({ id, run, chunkBytes, registration }: RegistrationRecord): TaskInput {
  const { files, kind } = registration;
  return { kind: 'register', migration: id, run, chunk_bytes: chunkBytes, files: [...files], layer_kind: kind };
}

/** Who must publish what. A layer that is published already is used by that, and not sent. */
export async function planRegistration(deps: StepDeps, record: RegistrationRecord) {
  if (!record.registration.publish) return { seeding: false, seeds: [], vms: [], only: false };
  const layers = await withPublished(record, (id) => deps.layers.use(PUBLIC_NAMESPACE, id, deps.clock.nowMs()));
  await deps.migrations.update(record, RUNNING, { registration: { ...record.registration, layers } });
  const seeding = layers.some(({ published }) => !published);
  if (seeding) await changeState(deps, record, ['preparing', 'seeding'], { state: 'seeding' });
  return { seeding, seeds: seeding ? [{ host: record.to }] : [], vms: [], only: false };
}

/** What is to be published, each layer after its parent. */
export function publishedSeeds({ registration }: RegistrationRecord): LayerTransfer[] {
  const wanted = (registration.layers ?? []).filter(({ published }) => !published);
  return wanted.map(({ published: _, ...layer }, depth) => ({
    stream: layer.layer_id,
    depth,
    treatment: 'dedup',
    stored: false,
    published: true,
    layer,
    parent: layer.parent,
  }));
}

/** How a registration ends; `error` if something went wrong before. What was to be published is, or it has failed. */
export async function endRegistration(
  { layers: catalog, migrations }: StepDeps,
  record: RegistrationRecord,
): Promise<Pick<MigrationRecord, 'state' | 'error'>> {
  const { error, abortRequested, registration } = record;
  if (error !== undefined) return { state: abortRequested ? 'aborted' : 'failed', error };
  if (!registration.publish) return { state: 'committed' };
  const layers = await withPublished(record, async (id) => (await catalog.find(PUBLIC_NAMESPACE, id)) !== undefined);
  await migrations.update(record, RUNNING, { registration: { ...registration, layers } });
  return layers.every(({ published }) => published)
    ? { state: 'committed' }
    : { state: 'failed', error: NOT_PUBLISHED };
}

const NOT_PUBLISHED: ErrorJson = {
  code: 'NOT_PUBLISHED',
  message: 'something was taken out of the public store while the layers were sent to it',
  hint: 'register them again',
};

async function withPublished(
  { registration }: RegistrationRecord,
  isPublished: (layerId: string) => Promise<boolean>,
): Promise<RegisteredLayer[]> {
  const layers: RegisteredLayer[] = [];
  for (const layer of registration.layers ?? [])
    layers.push({ ...layer, published: await isPublished(layer.layer_id) });
  return layers;
}
