import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';

/** Dependencies point inward. Each rule says why, so that whoever breaks it knows what to do instead. */
const rules: Record<string, { may: readonly string[]; why: string }> = {
  core: {
    may: [],
    why: 'core is the pure domain: it imports nothing of ours; pass what it needs through core/ports.ts',
  },
  adapters: { may: ['core'], why: 'adapters implement core’s ports and know no agent, function or cloud' },
  agent: { may: ['core', 'adapters'], why: 'the agent speaks to functions through the API contract in core/api' },
  functions: { may: ['core', 'adapters'], why: 'functions speak to agents through the API contract in core/api' },
  infra: {
    may: ['core', 'adapters', 'functions'],
    why: 'infra takes limits, routes, table data and the functions’ setting names, no more',
  },
  localstack: {
    may: [],
    why: 'the embedded cloud runs the synthesized assembly; importing the app would hide what AWS lacks',
  },
};
const heavy = /^(@aws-sdk|@smithy|aws-cdk-lib|constructs)/;

const root = path.resolve(import.meta.dirname, '../..');

function sources(folder: string): string[] {
  return readdirSync(path.join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => path.join(folder, name));
}

function imports(file: string): string[] {
  const text = readFileSync(path.join(root, file), 'utf8');
  return [...text.matchAll(/(?:from|import|import\()\s*['"]([^'"]+)['"]/g)].map((match) => match[1]!);
}

describe('the folder rule', () => {
  it.each(Object.entries(rules))('%s', (folder, { may, why }) => {
    const files = sources(folder);
    expect(files.length).toBeGreaterThan(0);
    for (const file of files) {
      for (const name of imports(file).filter((each) => each.startsWith('.'))) {
        const target = path.normalize(path.join(path.dirname(file), name)).split(path.sep)[0]!;
        expect([folder, ...may], `${file} imports ${name}: ${why}`).toContain(target);
      }
    }
  });

  it('core knows no AWS', () => {
    for (const file of sources('core')) for (const name of imports(file)) expect(name, file).not.toMatch(heavy);
  });

  it('infra takes only data from functions and adapters', () => {
    for (const file of sources('infra')) {
      for (const name of imports(file)) {
        if (/\/(functions|adapters)\//.test(name))
          expect(name, `${file}: ${rules.infra!.why}`).toMatch(/(settings|tables)\.ts$/);
      }
    }
  });
});

it('files do not import each other in a circle, types included: what both need is a file of its own', () => {
  const files = [...Object.keys(rules), 'bin', 'bench'].flatMap(sources);
  const left = new Map(files.map((file) => [file, imports(file).map((name) => path.join(path.dirname(file), name))]));
  // A file that imports nothing of what is left, or that nothing of it imports, is in no circle.
  for (let size = -1; size !== left.size; ) {
    size = left.size;
    const imported = new Set([...left.values()].flat());
    for (const [file, named] of left) {
      if (!imported.has(file) || !named.some((each) => left.has(each))) left.delete(file);
    }
  }
  expect([...left.keys()]).toEqual([]);
});

describe('time and chance', () => {
  /** The two ports' own adapters are where they come from. */
  const allowed = /^adapters\/system\//;
  it.each(['core', 'adapters', 'agent', 'functions'])(
    '%s takes them through ports, so that a migration can be simulated from a seed',
    (folder) => {
      for (const file of sources(folder).filter((name) => !allowed.test(name))) {
        const text = readFileSync(path.join(root, file), 'utf8');
        expect(text, file).not.toMatch(
          /\bDate\.now\(|\bnew Date\(\)|Math\.random\(|\bsetTimeout\(|\bsetInterval\(|performance\.now\(|randomBytes\(|randomUUID\(/,
        );
      }
    },
  );
});

describe('files', () => {
  /** The port's own adapter; and the agent reads its version beside its own code. */
  const allowed = /^(adapters\/system\/|agent\/daemon\/version\.ts$)/;
  it.each(['core', 'adapters', 'agent', 'functions'])(
    '%s takes them through core/files.ts, so that a crash can be simulated',
    (folder) => {
      for (const file of sources(folder).filter((name) => !allowed.test(name)))
        for (const name of imports(file)) expect(name, file).not.toMatch(/^node:(fs|sqlite|child_process)/);
    },
  );
});

it('what a gang must send is computed by a script that shares no code with the product', () => {
  for (const file of sources('test/gang'))
    for (const name of imports(file)) expect(name, file).toMatch(/^(node:|\.\/)/);
});

describe('style', () => {
  const all = [...Object.keys(rules), 'bin', 'test'].flatMap(sources);
  it('files hold one idea each', () => {
    for (const file of all) {
      const lines = readFileSync(path.join(root, file), 'utf8').split('\n').length;
      expect(lines, `${file}: over 350 lines is two ideas`).toBeLessThanOrEqual(350);
    }
  });

  it('there is no drawer for odds and ends', () => {
    for (const file of all) expect(file).not.toMatch(/(^|\/)(utils?|helpers?|misc|common)(\/|\.ts$)/);
  });
});
