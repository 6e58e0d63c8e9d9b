import type { ApiClient } from '../../../adapters/api/client.ts';

/** Never runs: the compiler checks that a call needs what its route asks for. */
export async function typed(client: ApiClient): Promise<void> {
  // @ts-expect-error a body is missing
  await client.call('poll', { params: { site: 'a', host: 'h1' } });
  // @ts-expect-error a path parameter is missing
  await client.call('getMigration');
  // @ts-expect-error an unknown path parameter
  await client.call('getMigration', { params: { id: 'm1' } });
  // @ts-expect-error the query is not optional
  await client.call('checkFingerprints', { body: new Uint8Array() });
  // @ts-expect-error a binary body is no JSON
  await client.call('checkFingerprints', { query: { task: 't', attempt: 1 }, body: { fingerprints: [] } });
  // @ts-expect-error a route that is not there
  await client.call('deleteEverything');
  const { migrations } = await client.call('listMigrations', { query: { limit: 3 } });
  const id: string | undefined = migrations[0]?.id;
  const bytes: Uint8Array = await client.call('checkFingerprints', {
    query: { task: id ?? '', attempt: 1 },
    body: new Uint8Array(),
  });
  // @ts-expect-error bytes have no fields
  bytes.tasks;
}
