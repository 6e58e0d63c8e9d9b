import { systemClock } from '../../../adapters/system/clock.ts';
import { trackByMirror } from './tracked.ts';

/** An agent that takes round after round of a mirrored disk until somebody ends it; it says each round. */
const [, , monitor, folder] = process.argv;
const { tracking } = await trackByMirror(monitor!, folder!);
const never = new AbortController().signal;
for (let round = 0; ; round++) {
  process.stdout.write(`round ${round}\n`);
  // A round of nothing waits for nothing: what the mirror sends must come in between.
  await systemClock.sleep(5);
  await tracking.round({ isLast: false }, never, async ([layer]) => {
    for await (const _ of layer!.extents());
  });
}
