import { requireMigration } from '../records/require-migration.ts';
import type { Call } from '../rest/call.ts';
import { createRestHandler, type RestHandler } from '../rest/handler.ts';
import { abort } from './abort.ts';
import { commit } from './commit.ts';
import { create } from './create.ts';
import type { MigrationDeps } from './deps.ts';
import { reclaim } from './reclaim.ts';
import { register } from './register.ts';
import { registrationViewOf } from './registration-view.ts';
import { resume } from './resume.ts';
import { receiptsOf, summaryOf, viewOf } from './view.ts';

/** What users ask of migrations, and the commit of a source's agent. */
export function createHandler(deps: MigrationDeps): RestHandler {
  return createRestHandler(
    'migrations',
    {
      createMigration: async (call) => await viewOf(deps, await create(deps, call)),
      listMigrations: (call) => list(deps, call),
      getMigration: async ({ path, namespace }) =>
        await viewOf(deps, await requireMigration(deps, path.migration, namespace)),
      abortMigration: async (call) => await viewOf(deps, await abort(deps, call)),
      resumeMigration: async (call) => await viewOf(deps, await resume(deps, call)),
      commitMigration: (call) => commit(deps, call),
      reclaim: (call) => reclaim(deps, call),
      registerLayers: async (call) => await registrationViewOf(deps, await register(deps, call)),
      getRegistration: async ({ path, namespace }) =>
        await registrationViewOf(deps, await requireMigration(deps, path.migration, namespace)),
      getReceipts: async ({ path, namespace }) =>
        await receiptsOf(deps, await requireMigration(deps, path.migration, namespace)),
    },
    deps,
  );
}

async function list({ migrations }: MigrationDeps, { namespace, query }: Call<'listMigrations'>) {
  const page = await migrations.list(namespace, query.limit, query.after);
  const more = page.length === query.limit;
  return { migrations: page.map(summaryOf), ...(more ? { next: page.at(-1)!.id } : {}) };
}
