import { parseArgs } from 'node:util';
import { drawHungPlay, drawLivePlay, playLive } from './live/play.ts';
import { drawPlay, play } from './play.ts';

/**
 * kill -9 at seeded points, with real processes: `npm run kills -- --runs 300 --seed 1`, with `--live` of running guests, then
 * with `--at '/commit$'` at requests that match alone, or with `--hung` a destination's agent that hangs instead. Each run has a seed of its own; that of a failure is printed with the
 * folder it leaves, and `--runs 1 --seed <it>` draws the same run again.
 */
const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '300' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    live: { type: 'boolean', default: false },
    at: { type: 'string' },
    hung: { type: 'boolean', default: false },
    keep: { type: 'boolean', default: false },
  },
});
const say = (line: string): void => void process.stdout.write(`${line}\n`);

for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(130));
say(`seed ${values.seed}`);
let failed = 0;
for (let run = 0; run < Number(values.runs); run++) {
  const seed = Number(values.seed) + run;
  const { kills, about, playing } = values.live ? live(seed) : cold(seed);
  const { problems, struck, milliseconds, sentBytes, folder } = await playing;
  const strikes = kills.map(
    ({ point, victims, ...more }) =>
      `${victims.join('+')}${'hangMs' in more ? ` for ${more.hangMs} ms` : ''} at ${'ms' in point ? `${point.ms} ms` : `${point.nth}. ${point.match} ${point.verdict}`}`,
  );
  say(
    `${seed} ${problems.length === 0 ? 'good' : 'BAD'} ${struck}/${strikes.length} ${(milliseconds / 1000).toFixed(1)} s ${(sentBytes / 2 ** 20).toFixed(1)} MiB${about}: ${strikes.join('; ')}`,
  );
  if (problems.length === 0) continue;
  failed++;
  say(`  ${problems.join('\n  ')}\n  ${folder}`);
}
say(`${Number(values.runs) - failed} passed, ${failed} failed, seed ${values.seed}`);
process.exitCode = failed === 0 ? 0 : 1;

function cold(seed: number) {
  const drawn = drawPlay(seed);
  return { kills: drawn.kills, about: '', playing: play(drawn, values.keep) };
}

function live(seed: number) {
  const drawn = values.hung ? drawHungPlay(seed) : drawLivePlay(seed, values.at);
  return {
    kills: drawn.kills,
    about: `, ${drawn.vms.length} of ${drawn.loops.join('+')} by ${drawn.cutover}`,
    playing: playLive(drawn, values.keep),
  };
}
