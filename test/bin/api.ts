import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import type { RegistrationView } from '../../core/api/registrations.ts';
import type { MigrationView, ReceiptsView } from '../../core/api/views.ts';
import { gang, ID, receiptsOf } from './samples.ts';

/** An API that answers every call from what it holds; it checks no signatures. With a cloud file that leads to it. */
export class CannedApi {
  readonly folder: string;
  readonly cloudFile: string;
  readonly asked: string[] = [];
  /** The bodies of calls that had one, as JSON. */
  readonly bodies: unknown[] = [];
  migration: MigrationView = gang();
  receipts: ReceiptsView = receiptsOf(gang());
  readonly #server: Server;

  private constructor(server: Server, folder: string) {
    this.#server = server;
    this.folder = folder;
    this.cloudFile = path.join(folder, 'cloud.json');
  }

  static async open(): Promise<CannedApi> {
    const server = createServer();
    const api = new CannedApi(server, await mkdtemp(path.join(os.tmpdir(), 'layermover-api-')));
    server.on('request', async (request, response) => {
      const { pathname } = new URL(request.url ?? '/', 'http://api');
      api.asked.push(`${request.method} ${pathname}`);
      const said = await text(request);
      if (said !== '') api.bodies.push(JSON.parse(said));
      const body = api.#answer(pathname);
      response.statusCode = body === undefined ? 404 : 200;
      response.setHeader('content-type', body === undefined ? 'application/problem+json' : 'application/json');
      response.end(JSON.stringify(body ?? PROBLEM));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const credentials = { access_key_id: 'AKIAEXAMPLE', secret_access_key: 'secret' };
    const cloud = { api_url: `http://127.0.0.1:${port}/v1`, region: 'eu-central-1', credentials };
    await writeFile(api.cloudFile, JSON.stringify(cloud), { mode: 0o600 });
    return api;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
    await rm(this.folder, { recursive: true, force: true });
  }

  #answer(pathname: string): unknown {
    const { vms: _, ...summary } = this.migration;
    const answers: Record<string, unknown> = {
      '/v1/hosts': { hosts: [HOST, { ...HOST, host: 'b/h2', vms: [] }] },
      '/v1/hosts/a/h1/identity': {
        host: 'a/h1',
        identity: 'arn:aws:sts::123456789012:assumed-role/h1',
      },
      '/v1/layers': { layers: [LAYER] },
      '/v1/matches': { layers: [{ layer: LAYER, matched: 63 }], passed_over: 3 },
      [`/v1/layers/${LAYER.layer_id}`]: LAYER,
      [`/v1/layers/${LAYER.layer_id}/withdraw`]: { layer_id: LAYER.layer_id, stored: true, holders: ['a/h1'] },
      '/v1/registrations': REGISTRATION,
      [`/v1/registrations/${ID}`]: REGISTRATION,
      '/v1/migrations': this.asked.at(-1)?.startsWith('POST') ? this.migration : { migrations: [summary] },
      [`/v1/migrations/${ID}`]: this.migration,
      [`/v1/migrations/${ID}/abort`]: this.migration,
      [`/v1/migrations/${ID}/reclaim`]: { owner: 'a/h1', epoch: 2 },
      [`/v1/migrations/${ID}/resume`]: this.migration,
      [`/v1/migrations/${ID}/receipts`]: this.receipts,
    };
    return answers[pathname];
  }
}

const PROBLEM = {
  type: 'about:blank',
  title: 'Not Found',
  status: 404,
  code: 'MIGRATION_UNKNOWN',
  detail: 'there is no such migration',
  hint: 'layermover list',
};

const HOST = { host: 'a/h1', version: '0.1.0', vms: ['web-1', 'web-2'], free_bytes: 5e9, seen_ms: 1_700_000_000_000 };

const LAYER = {
  layer_id: 'a'.repeat(64),
  parent: null,
  kind: 'os',
  name: 'os.qcow2',
  virtual_bytes: 300e6,
  chunk_bytes: 65_536,
  logical_bytes: 100e6,
  recorded_ms: 1_700_000_000_000,
  stored: true,
  published: false,
  holders: ['a/h1'],
};

const REGISTRATION: RegistrationView = {
  id: ID,
  state: 'done',
  host: 'a/h1',
  files: ['os.qcow2'],
  kind: 'os',
  publish: false,
  run: 1,
  created_ms: 1_700_000_000_000,
  updated_ms: 1_700_000_000_000,
  read: { done_bytes: 100e6, total_bytes: 100e6 },
  sent: { done_bytes: 0, total_bytes: 0, wire_bytes: 0, stored_bytes: 0, deduped_bytes: 0 },
  layers: [
    {
      layer_id: LAYER.layer_id,
      parent: null,
      kind: 'os',
      name: 'os.qcow2',
      virtual_bytes: 300e6,
      logical_bytes: 100e6,
      container: { format: 'qcow2', cluster_bytes: 65_536, version: 3 },
      published: false,
    },
  ],
};
