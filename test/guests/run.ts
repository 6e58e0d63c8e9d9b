import { parseArgs } from 'node:util';
import { move } from './move.ts';
import { World } from './world.ts';

/**
 * A Linux guest of two disks that works as a database does, moved live again and again between two sites, and judged after each
 * move: `npm run guests -- --moves 50 --seed 1`. Every fourth move finds it at rest, so that both sides' disks can be compared.
 */
const { values } = parseArgs({
  options: {
    moves: { type: 'string', default: '50' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
  },
});
const say = (line: string): void => void process.stdout.write(`${line}\n`);
const seed = Number(values.seed);
say(`seed ${seed}`);
const world = await World.start(seed);
const stop = () => void world.end().then(() => process.exit(130));
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, stop);
let failed = 0;
let moved = 0;
try {
  for (; moved < Number(values.moves) && failed === 0; moved++) {
    const idle = moved % 4 === 3;
    const beganMs = performance.now();
    const { faults, transactions, pauseMs } = await move(world, seed, { idle });
    const seconds = ((performance.now() - beganMs) / 1000).toFixed(1);
    say(
      `${moved + 1} ${faults.length === 0 ? 'good' : 'BAD'} ${idle ? 'at rest' : 'at work'} to ${world.site}: ${seconds} s, pause ${pauseMs} ms, ${transactions} transactions`,
    );
    for (const fault of faults) say(`  ${fault}`);
    failed += faults.length === 0 ? 0 : 1;
  }
} finally {
  await world.end();
}
say(`${moved - failed} moves in a row, ${failed} failed, seed ${seed}`);
process.exitCode = failed === 0 ? 0 : 1;
