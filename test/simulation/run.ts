import { parseArgs } from 'node:util';
import { playSeeds } from './seeds.ts';
import { simulate } from './simulate.ts';

/** Plays seeds: `--seed N` one, with all that happens in it; `--count N --from S` many, of which it tells those that fail. */
const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    count: { type: 'string', default: '1000' },
    from: { type: 'string', default: '1' },
  },
});

const say = (line: string) => process.stdout.write(`${line}\n`);

async function one(seed: number): Promise<boolean> {
  const { lines, ...result } = await simulate(seed, { keepLog: true });
  for (const line of lines!) say(line);
  say(JSON.stringify(result, null, 2));
  return result.violations.length === 0;
}

async function many(from: number, count: number): Promise<boolean> {
  const failed: number[] = [];
  const ended = new Map<string, number>();
  for await (const result of playSeeds(from, count)) {
    if ((result.seed - from + 1) % 100 === 0) process.stderr.write(`${result.seed - from + 1} of ${count}\n`);
    for (const state of result.ended) ended.set(state, (ended.get(state) ?? 0) + 1);
    if (result.violations.length === 0) continue;
    failed.push(result.seed);
    say(`seed ${result.seed}: ${result.violations.join('; ')}`);
  }
  say(`${count} seeds from ${from}, ${failed.length} failed; migrations: ${JSON.stringify(Object.fromEntries(ended))}`);
  if (failed.length > 0) say(`replay: npm run simulate -- --seed ${failed[0]}`);
  return failed.length === 0;
}

const fine =
  values.seed === undefined ? await many(Number(values.from), Number(values.count)) : await one(Number(values.seed));
process.exitCode = fine ? 0 : 1;
