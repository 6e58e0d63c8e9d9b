import { linkSync, mkdirSync, openSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { limits } from '../../core/limits.ts';
import { BareTeam } from '../bare/team.ts';
import { incompressible } from '../content.ts';
import { makeRaw } from '../disks.ts';
import type { Finding } from '../finding.ts';
import { LinkedStage, type Moved } from '../linked-stage.ts';
import type { CommandOptions } from './command.ts';
import type { Image, Images } from './images/build.ts';
import { type GangFigures, measureGang } from './measure-tool.ts';
import type { Tool } from './tools.ts';
import { writeUnique } from './unique.ts';

const LINKS: Readonly<Record<string, number>> = { '100 Mbit/s': 12_500_000, '1 Gbit/s': 125_000_000 };
const SLOWER_MAX = 1.15;
const MORE_SECONDS_MAX = 3;
/** How much faster a gang must be than the best peer that deduplicates, and than the best that does not. */
const FASTER_MIN = { deduplicates: 1.5, sends: 2.5 };
/** A small VM that is moved before. */
const FIRST = 'first';
const FIRST_BYTES = 1024 ** 2;

export interface EndToEndSettings extends CommandOptions {
  readonly dir: string;
  readonly threads: number;
  readonly note: (line: string) => void;
}

/**
 * Real agents and a real cloud, which have moved a small VM before, move one VM, and all of them as a gang, to a site that has nothing, over links of two speeds. Each is
 * set against the slower of its own bytes over the link and a bare loop that hashes and compresses its chunks, and the gang against
 * the peers.
 */
export async function endToEnd(images: Images, tools: readonly Tool[], settings: EndToEndSettings): Promise<Finding[]> {
  const findings: Finding[] = [];
  const peers: GangFigures[] = [];
  for (const tool of tools) {
    settings.note(`gang: ${tool.name}`);
    peers.push(await measureGang(tool, images, settings));
  }
  for (const vms of [images.vms.slice(0, 1), images.vms]) {
    const bareSeconds = await bareLoop(vms, settings);
    for (const [link, bytesPerSecond] of Object.entries(LINKS)) {
      const what = vms.length === 1 ? 'one VM' : `a gang of ${vms.length}`;
      settings.note(`end to end: ${what}, ${link}`);
      const moved = await move(vms, images, bytesPerSecond, settings);
      findings.push(boundFinding(`${what}, ${link}`, moved, bytesPerSecond, bareSeconds));
      if (vms.length === 1) continue;
      for (const kind of ['deduplicates', 'sends'] as const) {
        const of = peers.filter((peer) => peer.deduplicates === (kind === 'deduplicates'));
        if (of.length > 0) findings.push(peerFinding(`${what}, ${link}`, moved, of, bytesPerSecond, FASTER_MIN[kind]));
      }
    }
  }
  return findings;
}

async function move(vms: readonly Image[], images: Images, bytesPerSecond: number, { dir }: EndToEndSettings) {
  const stage = new LinkedStage(dir);
  try {
    linkAll(images.layers, join(dir, 'a'));
    makeRaw(join(dir, 'a'), FIRST, incompressible(1), FIRST_BYTES);
    await stage.start({ roundTripMs: 0, bytesPerSecond });
    // Hosts and cloud live long: their first start of all is in no migration but one.
    await stage.move([FIRST], 'dedup');
    return await stage.move(vms.map(({ name }) => name));
  } finally {
    await stage.stop();
  }
}

/** Links all files of a folder into another one: nobody changes them. */
function linkAll(from: string, to: string): void {
  mkdirSync(to, { recursive: true });
  for (const name of readdirSync(from)) linkSync(join(from, name), join(to, name));
}

/** Seconds that hashing and compressing the chunks of these VMs takes, each once, at the product's lowest level. */
async function bareLoop(vms: readonly Image[], { dir, threads }: EndToEndSettings): Promise<number> {
  const team = new BareTeam(threads);
  const path = join(dir, '../unique');
  try {
    const fileBytes = writeUnique([...new Set(vms.flatMap(({ chain }) => chain))], path);
    const fd = openSync(path, 'r');
    const how = { chunkBytes: limits.chunk_bytes_default, frameBytes: limits.frame_raw_bytes_max };
    const level = { level: limits.pack_level_default, windowLog: limits.frame_window_log };
    const beganMs = performance.now();
    await team.run({ kind: 'compress', fd, fileBytes, ...how, ...level });
    return (performance.now() - beganMs) / 1000;
  } finally {
    await team.close();
    rmSync(path, { force: true });
  }
}

function boundFinding(what: string, moved: Moved, bytesPerSecond: number, bareSeconds: number): Finding {
  const linkSeconds = moved.sourceBytes / bytesPerSecond;
  const bound = SLOWER_MAX * Math.max(linkSeconds, bareSeconds) + MORE_SECONDS_MAX;
  const { seconds, sourceBytes } = moved;
  const found = `${seconds.toFixed(1)} s (${(sourceBytes / 1e6).toFixed(1)} MB: ${linkSeconds.toFixed(1)} s of the link; bare loop ${bareSeconds.toFixed(1)} s)`;
  return {
    bench: 'peers',
    what: `end to end, ${what}`,
    goal: `≤ ${SLOWER_MAX} × the slower of link and bare loop, + ${MORE_SECONDS_MAX} s (${bound.toFixed(1)} s)`,
    found,
    isMet: seconds <= bound,
    figures: { seconds, sourceBytes, destinationBytes: moved.destinationBytes, linkSeconds, bareSeconds, bound },
  };
}

/** A peer takes in while it sends what it stored, and gives back what has arrived: the best that its user could make of it. */
function peerFinding(
  what: string,
  { seconds }: Moved,
  peers: readonly GangFigures[],
  bytesPerSecond: number,
  faster: number,
): Finding {
  const took = peers.map((peer) => {
    const sent = Math.max(peer.ingestSeconds, peer.bytes / bytesPerSecond);
    return { name: peer.name, seconds: sent + peer.restoreSeconds };
  });
  const best = took.reduce((least, each) => (each.seconds < least.seconds ? each : least));
  const ratio = best.seconds / seconds;
  const kind = peers[0]!.deduplicates ? 'the best peer that deduplicates' : 'the best that only compresses';
  return {
    bench: 'peers',
    what: `end to end, ${what}: against ${kind}`,
    goal: `≥ ${faster} × as fast`,
    found: `${ratio.toFixed(2)} × (${seconds.toFixed(1)} against ${best.seconds.toFixed(1)} s, ${best.name})`,
    isMet: ratio >= faster,
    figures: { ratio, seconds, peerSeconds: best.seconds },
  };
}
