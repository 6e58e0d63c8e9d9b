import type * as z from 'zod';
import * as agent from './agent.ts';
import { collectionView, garbageRequest } from './garbage.ts';
import { matchAnswer, matchRequest } from './matches.ts';
import { rebuildAnswer, rebuildRequest } from './rebuild.ts';
import { registrationRequest, registrationView } from './registrations.ts';
import * as views from './views.ts';

/** One call of the API. The gateway, the functions and the clients are all made from this table. */
export interface Route {
  readonly method: 'GET' | 'PUT' | 'POST';
  readonly path: string;
  /** Which function answers: its folder in functions/. */
  readonly function: 'hosts' | 'tasks' | 'fingerprints' | 'migrations' | 'layers' | 'garbage' | 'rebuild';
  /**
   * Who calls it: a host's agent, for its own host and tasks alone; agents and users; or users alone, if absent. A host's
   * policy has the first two (bin/enrol/policy.ts).
   */
  readonly by?: 'host' | 'all';
  /** It keeps a namespace's store in order: the public one's, too, which no other call may name. */
  readonly keeps?: true;
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
    by: 'host',
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
  bindHost: {
    summary: 'Says which role or user speaks for a host, from now on and before anybody else can enrol it',
    method: 'PUT',
    path: '/hosts/{site}/{host}/identity',
    function: 'hosts',
    body: views.bindRequest,
    answer: views.bindAnswer,
  },
  poll: {
    summary: 'An agent’s heartbeat: what it does, and what it is to do',
    method: 'POST',
    path: '/hosts/{site}/{host}/poll',
    function: 'hosts',
    by: 'host',
    body: agent.pollRequest,
    answer: agent.pollAnswer,
  },
  reportTask: {
    summary: 'How a task ended',
    method: 'POST',
    path: '/tasks/{task}/report',
    function: 'tasks',
    by: 'host',
    body: agent.reportRequest,
    answer: agent.ok,
  },
  grant: {
    summary: 'Credentials for the objects of a task, for an hour',
    method: 'POST',
    path: '/tasks/{task}/grant',
    function: 'tasks',
    by: 'host',
    body: agent.grantRequest,
    answer: agent.grantAnswer,
  },
  announcePacks: {
    summary: 'Packs that are stored: the index learns of them',
    method: 'POST',
    path: '/tasks/{task}/packs',
    function: 'tasks',
    by: 'host',
    body: agent.packsRequest,
    answer: agent.ok,
  },
  commitRound: {
    summary: 'Segments of a layer that are stored',
    method: 'POST',
    path: '/tasks/{task}/rounds',
    function: 'tasks',
    by: 'host',
    body: agent.roundRequest,
    answer: agent.ok,
  },
  recordLayer: {
    summary: 'A base layer all of which is stored',
    method: 'POST',
    path: '/tasks/{task}/layers',
    function: 'tasks',
    by: 'host',
    body: agent.layerRequest,
    answer: agent.ok,
  },
  storeReceipt: {
    summary: 'What the destination holds, read back',
    method: 'POST',
    path: '/tasks/{task}/receipt',
    function: 'tasks',
    by: 'host',
    body: agent.receiptRequest,
    answer: agent.ok,
  },
  announceIncoming: {
    summary: 'The destination can take a running VM; again when it has written more',
    method: 'POST',
    path: '/tasks/{task}/incoming',
    function: 'tasks',
    by: 'host',
    body: agent.incomingRequest,
    answer: agent.ok,
  },
  announceRunning: {
    summary: 'What became of a VM’s guest at its destination; once it may run there its source can’t take it back',
    method: 'POST',
    path: '/tasks/{task}/running',
    function: 'tasks',
    by: 'host',
    body: agent.runningRequest,
    answer: agent.runningAnswer,
  },
  announcePresence: {
    summary: 'Base layers that a host has, or has lost',
    method: 'POST',
    path: '/tasks/{task}/presence',
    function: 'tasks',
    by: 'host',
    body: agent.presenceRequest,
    answer: agent.ok,
  },
  checkFingerprints: {
    summary: 'Which chunks the store has, and where (binary, docs/FORMAT.md)',
    method: 'POST',
    path: '/fingerprints',
    function: 'fingerprints',
    by: 'host',
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
    by: 'all',
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
    by: 'host',
    body: agent.commitRequest,
    answer: agent.commitAnswer,
  },
  reclaim: {
    summary: 'Takes a VM back to its source, if it does not run at its destination yet',
    method: 'POST',
    path: '/migrations/{migration}/reclaim',
    function: 'migrations',
    by: 'all',
    body: agent.reclaimRequest,
    answer: agent.commitAnswer,
  },
  getReceipts: {
    summary: 'Both sides’ receipts',
    method: 'GET',
    path: '/migrations/{migration}/receipts',
    function: 'migrations',
    answer: views.receiptsView,
  },
  registerLayers: {
    summary: 'Has a host’s agent fingerprint files as base layers, and publish them if wished; again is the same',
    method: 'POST',
    path: '/registrations',
    function: 'migrations',
    body: registrationRequest,
    answer: registrationView,
  },
  getRegistration: {
    summary: 'How far a registration is',
    method: 'GET',
    path: '/registrations/{migration}',
    function: 'migrations',
    answer: registrationView,
  },
  listLayers: {
    summary: 'Base layers that are stored or were registered, or those that are published',
    method: 'GET',
    path: '/layers',
    function: 'layers',
    query: views.layersQuery,
    answer: views.layerPage,
  },
  getLayer: {
    summary: 'One base layer and the hosts that hold it',
    method: 'GET',
    path: '/layers/{layer}',
    function: 'layers',
    answer: views.storedLayerView,
  },
  matchLayers: {
    summary: 'Which base layers hold a sample of a disk’s chunks in their places',
    method: 'POST',
    path: '/matches',
    function: 'layers',
    body: matchRequest,
    answer: matchAnswer,
  },
  withdrawLayer: {
    summary: 'The store lets a layer go: garbage collection removes what nothing else needs of it',
    method: 'POST',
    path: '/layers/{layer}/withdraw',
    function: 'layers',
    body: views.withdrawRequest,
    answer: views.withdrawAnswer,
  },
  collectGarbage: {
    summary: 'Begins a garbage collection of the namespace; the same id again is the same one',
    method: 'POST',
    path: '/garbage',
    function: 'garbage',
    keeps: true,
    body: garbageRequest,
    answer: collectionView,
  },
  getCollection: {
    summary: 'How far a garbage collection is, or how it ended; the last one alone is known',
    method: 'GET',
    path: '/garbage/{collection}',
    function: 'garbage',
    keeps: true,
    answer: collectionView,
  },
  rebuildIndex: {
    summary: 'One page of a rebuild: index rows and placements are made from packs, what is damaged is taken out',
    method: 'POST',
    path: '/index/rebuild',
    function: 'rebuild',
    keeps: true,
    body: rebuildRequest,
    answer: rebuildAnswer,
  },
} as const satisfies Record<string, Route>;

export type RouteName = keyof typeof routes;
