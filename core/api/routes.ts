import type { z } from 'zod';
import * as agent from './agent.ts';
import { collectionView, garbageRequest } from './garbage.ts';
import { rebuildAnswer, rebuildRequest } from './rebuild.ts';
import * as views from './views.ts';

/** One call of the API. The gateway, the functions and the clients are all made from this table. */
export interface Route {
  readonly method: 'GET' | 'PUT' | 'POST';
  readonly path: string;
  /** Which function answers: its folder in functions/. */
  readonly function: 'hosts' | 'tasks' | 'fingerprints' | 'migrations' | 'layers' | 'garbage' | 'rebuild';
  /** One line for the API's document. */
  readonly summary: string;
  /** Absent: no body. 'binary': see docs/FORMAT.md. */
  readonly body?: z.ZodType | 'binary';
  readonly query?: z.ZodType;
  readonly answer: z.ZodType | 'binary';
}

export const routes = {
  enrolHost: {
    summary: 'Announces a host, its VMs and its base layers; again to renew',
    method: 'PUT',
    path: '/hosts/{site}/{host}',
    function: 'hosts',
    body: agent.enrolRequest,
    answer: agent.ok,
  },
  listHosts: {
    summary: 'Hosts of the namespace',
    method: 'GET',
    path: '/hosts',
    function: 'hosts',
    answer: views.hostPage,
  },
  poll: {
    summary: 'An agent’s heartbeat: what it does, and what it is to do',
    method: 'POST',
    path: '/hosts/{site}/{host}/poll',
    function: 'hosts',
    body: agent.pollRequest,
    answer: agent.pollAnswer,
  },
  reportTask: {
    summary: 'How a task ended',
    method: 'POST',
    path: '/tasks/{task}/report',
    function: 'tasks',
    body: agent.reportRequest,
    answer: agent.ok,
  },
  grant: {
    summary: 'Credentials for the objects of a task, for an hour',
    method: 'POST',
    path: '/tasks/{task}/grant',
    function: 'tasks',
    body: agent.grantRequest,
    answer: agent.grantAnswer,
  },
  announcePacks: {
    summary: 'Packs that are stored: the index learns of them',
    method: 'POST',
    path: '/tasks/{task}/packs',
    function: 'tasks',
    body: agent.packsRequest,
    answer: agent.ok,
  },
  commitRound: {
    summary: 'Segments of a layer that are stored',
    method: 'POST',
    path: '/tasks/{task}/rounds',
    function: 'tasks',
    body: agent.roundRequest,
    answer: agent.ok,
  },
  recordLayer: {
    summary: 'A base layer all of which is stored',
    method: 'POST',
    path: '/tasks/{task}/layers',
    function: 'tasks',
    body: agent.layerRequest,
    answer: agent.ok,
  },
  storeReceipt: {
    summary: 'What the destination holds, read back',
    method: 'POST',
    path: '/tasks/{task}/receipt',
    function: 'tasks',
    body: agent.receiptRequest,
    answer: agent.ok,
  },
  announcePresence: {
    summary: 'Base layers that a host has, or has lost',
    method: 'POST',
    path: '/tasks/{task}/presence',
    function: 'tasks',
    body: agent.presenceRequest,
    answer: agent.ok,
  },
  checkFingerprints: {
    summary: 'Which chunks the store has, and where (binary, docs/FORMAT.md)',
    method: 'POST',
    path: '/fingerprints',
    function: 'fingerprints',
    body: 'binary',
    query: agent.fingerprintQuery,
    answer: 'binary',
  },
  createMigration: {
    summary: 'Asks for a migration; the same request id again is the same migration',
    method: 'POST',
    path: '/migrations',
    function: 'migrations',
    body: views.migrationRequest,
    answer: views.migrationView,
  },
  listMigrations: {
    summary: 'Migrations, newest first',
    method: 'GET',
    path: '/migrations',
    function: 'migrations',
    query: views.pageQuery,
    answer: views.migrationPage,
  },
  getMigration: {
    summary: 'How far a migration is',
    method: 'GET',
    path: '/migrations/{migration}',
    function: 'migrations',
    answer: views.migrationView,
  },
  abortMigration: {
    summary: 'Stops a migration; what is not committed stays with its source',
    method: 'POST',
    path: '/migrations/{migration}/abort',
    function: 'migrations',
    answer: views.migrationView,
  },
  resumeMigration: {
    summary: 'Lets a migration that failed go on, as its next run; again changes nothing',
    method: 'POST',
    path: '/migrations/{migration}/resume',
    function: 'migrations',
    body: views.resumeRequest,
    answer: views.migrationView,
  },
  commitMigration: {
    summary: 'The fenced Commit of one VM, by its source’s agent',
    method: 'POST',
    path: '/migrations/{migration}/commit',
    function: 'migrations',
    body: agent.commitRequest,
    answer: agent.commitAnswer,
  },
  getReceipts: {
    summary: 'Both sides’ receipts',
    method: 'GET',
    path: '/migrations/{migration}/receipts',
    function: 'migrations',
    answer: views.receiptsView,
  },
  listLayers: {
    summary: 'Base layers in the store',
    method: 'GET',
    path: '/layers',
    function: 'layers',
    query: views.pageQuery,
    answer: views.layerPage,
  },
  getLayer: {
    summary: 'One base layer and the hosts that hold it',
    method: 'GET',
    path: '/layers/{layer}',
    function: 'layers',
    answer: views.storedLayerView,
  },
  collectGarbage: {
    summary: 'Begins a garbage collection of the namespace; the same id again is the same one',
    method: 'POST',
    path: '/garbage',
    function: 'garbage',
    body: garbageRequest,
    answer: collectionView,
  },
  getCollection: {
    summary: 'How far a garbage collection is, or how it ended; the last one alone is known',
    method: 'GET',
    path: '/garbage/{collection}',
    function: 'garbage',
    answer: collectionView,
  },
  rebuildIndex: {
    summary: 'One page of a rebuild: index rows and placements are made from packs, what is damaged is taken out',
    method: 'POST',
    path: '/index/rebuild',
    function: 'rebuild',
    body: rebuildRequest,
    answer: rebuildAnswer,
  },
} as const satisfies Record<string, Route>;

export type RouteName = keyof typeof routes;
