import type { z } from 'zod';
import * as agent from './agent.ts';
import * as views from './views.ts';

/** One call of the API. The gateway, the functions and the clients are all made from this table. */
export interface Route {
  readonly method: 'GET' | 'PUT' | 'POST';
  readonly path: string;
  /** Which function answers: its folder in functions/. */
  readonly function: 'hosts' | 'tasks' | 'fingerprints' | 'migrations' | 'layers';
  /** Absent: no body. 'binary': see docs/FORMAT.md. */
  readonly body?: z.ZodType | 'binary';
  readonly query?: z.ZodType;
  readonly answer: z.ZodType | 'binary';
}

export const routes = {
  enrolHost: {
    method: 'PUT',
    path: '/hosts/{site}/{host}',
    function: 'hosts',
    body: agent.enrolRequest,
    answer: agent.ok,
  },
  listHosts: { method: 'GET', path: '/hosts', function: 'hosts', answer: views.hostPage },
  poll: {
    method: 'POST',
    path: '/hosts/{site}/{host}/poll',
    function: 'hosts',
    body: agent.pollRequest,
    answer: agent.pollAnswer,
  },
  reportTask: {
    method: 'POST',
    path: '/tasks/{task}/report',
    function: 'tasks',
    body: agent.reportRequest,
    answer: agent.ok,
  },
  grant: {
    method: 'POST',
    path: '/tasks/{task}/grant',
    function: 'tasks',
    body: agent.grantRequest,
    answer: agent.grantAnswer,
  },
  announcePacks: {
    method: 'POST',
    path: '/tasks/{task}/packs',
    function: 'tasks',
    body: agent.packsRequest,
    answer: agent.ok,
  },
  commitRound: {
    method: 'POST',
    path: '/tasks/{task}/rounds',
    function: 'tasks',
    body: agent.roundRequest,
    answer: agent.ok,
  },
  recordLayer: {
    method: 'POST',
    path: '/tasks/{task}/layers',
    function: 'tasks',
    body: agent.layerRequest,
    answer: agent.ok,
  },
  storeReceipt: {
    method: 'POST',
    path: '/tasks/{task}/receipt',
    function: 'tasks',
    body: agent.receiptRequest,
    answer: agent.ok,
  },
  announcePresence: {
    method: 'POST',
    path: '/tasks/{task}/presence',
    function: 'tasks',
    body: agent.presenceRequest,
    answer: agent.ok,
  },
  checkFingerprints: {
    method: 'POST',
    path: '/fingerprints',
    function: 'fingerprints',
    body: 'binary',
    query: agent.fingerprintQuery,
    answer: 'binary',
  },
  createMigration: {
    method: 'POST',
    path: '/migrations',
    function: 'migrations',
    body: views.migrationRequest,
    answer: views.migrationView,
  },
  listMigrations: {
    method: 'GET',
    path: '/migrations',
    function: 'migrations',
    query: views.pageQuery,
    answer: views.migrationPage,
  },
  getMigration: { method: 'GET', path: '/migrations/{migration}', function: 'migrations', answer: views.migrationView },
  abortMigration: {
    method: 'POST',
    path: '/migrations/{migration}/abort',
    function: 'migrations',
    answer: views.migrationView,
  },
  commitMigration: {
    method: 'POST',
    path: '/migrations/{migration}/commit',
    function: 'migrations',
    body: agent.commitRequest,
    answer: agent.commitAnswer,
  },
  getReceipts: {
    method: 'GET',
    path: '/migrations/{migration}/receipts',
    function: 'migrations',
    answer: views.receiptsView,
  },
  listLayers: { method: 'GET', path: '/layers', function: 'layers', query: views.pageQuery, answer: views.layerPage },
  getLayer: { method: 'GET', path: '/layers/{layer}', function: 'layers', answer: views.storedLayerView },
} as const satisfies Record<string, Route>;

export type RouteName = keyof typeof routes;
