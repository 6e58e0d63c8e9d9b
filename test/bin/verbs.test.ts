import { mkdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import type { Command } from 'commander';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { program } from '../../bin/main.ts';
import { CannedApi } from './api.ts';
import { call } from './command.ts';
import { gang, ID, migration, receiptsOf, vm } from './samples.ts';

/** Every verb, as it is called: `['host', 'list']`. */
const verbs = leaves(program(), []);

function leaves(command: Command, words: readonly string[]): { words: readonly string[]; command: Command }[] {
  return command.commands.flatMap((each) => {
    const named = [...words, each.name()];
    return each.commands.length === 0 ? [{ words: named, command: each }] : leaves(each, named);
  });
}

/** Words that make a call of a verb complete. */
function needed({ command }: { command: Command }): string[] {
  const values: Record<string, string> = {
    migration: ID,
    vm: 'web-1',
    layer: 'a'.repeat(64),
    file: 'os.qcow2',
    url: 'https://a.execute-api.x.amazonaws.com/v1',
  };
  const options: Record<string, string> = { kind: 'os', to: 'b/h2', site: 'a', host: 'h1', out: 'x.html', images: '.' };
  const given = command.registeredArguments.filter((each) => each.required).map((each) => values[each.name()] ?? 'x');
  const set = command.options.filter((each) => each.mandatory);
  return [
    ...given,
    ...set.flatMap((each) => [each.long!, ...(each.required ? [options[each.attributeName()] ?? 'x'] : [])]),
  ];
}

const doc = await readFile(path.resolve(import.meta.dirname, '../../docs/COMMAND.md'), 'utf8');
const documented = new Set([...doc.matchAll(/^\| `(\w+)` \|/gm)].map((match) => match[1]!));
const readme = await readFile(path.resolve(import.meta.dirname, '../../README.md'), 'utf8');

describe.each(verbs.map((each) => [each.words.join(' '), each] as const))('layermover %s', (name, verb) => {
  it('--help has an example of it, --json and the exit codes', async () => {
    const { code, stdout } = await call(...verb.words, '--help');
    expect(code).toBe(0);
    expect(stdout).toMatch(new RegExp(`Example:\\n +layermover ${name}`));
    expect(stdout).toContain('--json');
    for (const exit of ['0 done', '1 failed', '2 the call', '3 no such', '4 the cloud', '130 stopped'])
      expect(stdout).toContain(exit);
  });

  it('an unknown option: exit code 2, and the error as JSON', async () => {
    const said = await call(...verb.words, ...needed(verb), '--no-such-option', '--json');
    expect(said.code).toBe(2);
    expect(said.lines().at(-1)).toMatchObject({ message_type: 'error', error: { code: 'USAGE' } });
    expect(said.stderr).toContain('unknown option');
  });

  it('is in the command’s page', () => {
    expect(doc).toContain(`\`${name}\``);
  });

  if (verb.command.options.some((each) => each.long === '--cloud') && name !== 'doctor') {
    it('no cloud: exit code 4, and an error with a hint', async () => {
      const said = await call(...verb.words, ...needed(verb), '--cloud', '/nowhere/cloud.json', '--json');
      expect(said.code).toBe(4);
      const { error } = said.lines().at(-1) as { error: { code: string; hint: string } };
      expect(error.code).toBe('CLOUD_FILE_MISSING');
      expect(said.stderr).toContain(`hint: ${error.hint}`);
    });
  }
});

describe('--json against an API', () => {
  let api: CannedApi;
  beforeAll(async () => {
    api = await CannedApi.open();
    await mkdir(path.join(api.folder, 'images'), { mode: 0o700 });
  });
  afterAll(() => api.close());

  const json = (...words: string[]) => call(...words, '--cloud', api.cloudFile, '--json');

  it.each([
    ['list', ['list'], ['migration'], 0],
    ['host list', ['host', 'list'], ['host', 'host'], 0],
    ['layer list', ['layer', 'list'], ['layer'], 0],
    ['layer list --published', ['layer', 'list', '--published'], ['layer'], 0],
    ['layer show', ['layer', 'show', 'aaaaaa'], ['layer'], 0],
    ['layer show of an unknown one', ['layer', 'show', 'aaaaab'], ['error'], 3],
    ['layer show of what is no id', ['layer', 'show', 'os.qcow2'], ['error'], 2],
    ['layer rm', ['layer', 'rm', 'aaaaaa'], ['withdrawn'], 0],
    ['layer register', ['layer', 'register', '--kind', 'os', 'os.qcow2', '--host', 'a/h1'], ['registered'], 0],
    ['layer register of a host that is not named', ['layer', 'register', '--kind', 'os', 'os.qcow2'], ['error'], 2],
    ['layer register of user data', ['layer', 'register', '--kind', 'ud', 'os.qcow2'], ['error'], 2],
    ['status', ['status', ID], ['migration'], 0],
    ['receipt', ['receipt', ID], ['receipts'], 0],
    ['migrate', ['migrate', 'web-1', 'web-2', '--to', 'b/h2'], ['status', 'summary'], 0],
    ['migrate --detach', ['migrate', 'web-1', '--to', 'b/h2', '--detach'], ['requested'], 0],
    ['abort of what has committed', ['abort', ID], ['status', 'migration'], 1],
    ['an unknown migration', ['status', 'm00000000000000000000'], ['error'], 3],
    ['no migration’s id', ['status', 'web-1'], ['error'], 2],
    ['no number of rows', ['list', '--limit', '0'], ['error'], 2],
  ])('%s', async (_, words, types, code) => {
    const said = await json(...words);
    const lines = said.lines();
    expect(lines.map((line) => line.message_type)).toEqual(types);
    for (const line of lines) expect(documented).toContain(line.message_type);
    expect(said.code).toBe(code);
  });

  it('report, and migrate --report: the page and a line that names it', async () => {
    for (const [words, file] of [
      [['report', ID, '--out'], 'a.html'],
      [['migrate', 'web-1', '--to', 'b/h2', '--report'], 'b.html'],
    ] as const) {
      const out = path.join(api.folder, file);
      const said = await json(...words, out);
      expect(said.code).toBe(0);
      expect(said.lines().at(-1)).toEqual({ message_type: 'report', migration: ID, file: out });
      expect(await readFile(out, 'utf8')).toContain('both sides agree');
    }
  });

  it('a report that would overwrite something is refused before a migration is asked for', async () => {
    const before = api.asked.length;
    const said = await json('migrate', 'web-1', '--to', 'b/h2', '--report', api.cloudFile);
    expect(said.code).toBe(2);
    expect(said.lines()).toMatchObject([{ message_type: 'error', error: { code: 'REPORT_FILE_TAKEN' } }]);
    expect(api.asked.length).toBe(before);
  });

  it('a migration that failed: exit code 1, its errors, a report all the same, and how to go on', async () => {
    const error = { code: 'OBJECT_FAILED', message: 'the store is away', hint: 'look' };
    api.migration = migration({ state: 'failed', vms: [vm({ state: 'rolled-back', equal: false, error })] });
    const out = path.join(api.folder, 'failed.html');
    const said = await json('migrate', 'web-1', '--to', 'b/h2', '--report', out);
    api.migration = gang();
    expect(said.code).toBe(1);
    expect(said.lines().map((line) => line.message_type)).toEqual(['status', 'summary', 'report']);
    for (const part of ['the store is away', 'hint: look', `layermover resume ${ID}`])
      expect(said.stderr).toContain(part);
    expect(await readFile(out, 'utf8')).toContain('the store is away');
  });

  it('receipts that differ: exit code 1', async () => {
    api.receipts.vms[0]!.agree = false;
    expect((await json('receipt', ID)).code).toBe(1);
    api.receipts = receiptsOf(gang());
  });

  it('doctor: findings, exit code 1 only if there is something to mend', async () => {
    const images = path.join(api.folder, 'images');
    const good = await json('doctor', '--images', images, '--host', 'b/h2');
    const lines = good.lines() as { message_type: string; what: string; verdict: string }[];
    expect(new Set(lines.map((line) => line.message_type))).toEqual(new Set(['finding']));
    const bad = lines.filter((line) => ['lacking', 'unsafe'].includes(line.verdict));
    expect(good.code).toBe(bad.length > 0 ? 1 : 0);
    for (const what of ['cloud', 'cloud file', 'clock', 'image folder', 'disk space', 'runtime'])
      expect(lines.map((line) => line.what)).toContain(what);
    const none = await json('doctor', '--images', path.join(api.folder, 'none'));
    expect(none.code).toBe(1);
  });

  it('people get the same as tables, and nothing at all is said plainly', async () => {
    const said = await call('host', 'list', '--cloud', api.cloudFile);
    expect(said.stdout).toMatch(/a\/h1.*web-1 web-2.*5 GB/);
    expect((await call('list', '--cloud', api.cloudFile)).stdout).toContain(ID);
    expect((await call('status', ID, '--cloud', api.cloudFile)).stdout).toContain('equal ✓');
    expect((await call('receipt', ID, '--cloud', api.cloudFile)).stdout).toContain('both sides agree');
  });
});

describe('the pages tell of', () => {
  it('every message', async () => {
    const text = await readFile(path.resolve(import.meta.dirname, '../../bin/output/json-lines.ts'), 'utf8');
    const types = [...text.slice(0, text.indexOf('export function')).matchAll(/^ {2}(\w+): /gm)].map(
      (match) => match[1]!,
    );
    expect(types.length).toBeGreaterThan(10);
    expect([...documented].sort()).toEqual(types.sort());
  });

  it('every exit code', () => {
    for (const page of [doc, readme])
      for (const code of ['0', '1', '2', '3', '4', '130']) expect(page).toMatch(new RegExp(`\\b${code}\\b`));
  });
});

describe('the command itself', () => {
  it('has help, a version, and a word for what it does not know', async () => {
    expect((await call('--help')).code).toBe(0);
    expect((await call('--version')).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
    expect((await call()).code).toBe(2);
    const wrong = await call('migrat', '--json');
    expect(wrong.code).toBe(2);
    expect(wrong.stderr).toContain('migrate');
    expect(wrong.lines()).toMatchObject([{ message_type: 'error' }]);
  });
});
