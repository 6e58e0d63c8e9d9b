import { mkdirSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { findProgram } from '../bin/demo/live/needs.ts';
import type { Finding, Settings } from './finding.ts';
import { hasQemu, type Place, tellOf } from './live/guests.ts';
import { LiveStage } from './live/stage.ts';
import { basesOf, bringBases, diskBytes, type Layout, makeBases, makeTop } from './mirror/disks.ts';
import { byLayerMover, byQemu } from './mirror/moves.ts';
import { findingsOf, type MovePair } from './mirror/ratios.ts';

const MiB = 1024 * 1024;
const LAYOUT: Layout = { os: 192 * MiB, we: 32 * MiB, ud: 16 * MiB };
const LAYOUT_QUICK: Layout = { os: 48 * MiB, we: 16 * MiB, ud: 8 * MiB };
const PAIRS_QUICK = 2;
const LINKS = [
  { name: '100 Mbit/s', bytesPerSecond: 12_500_000 },
  { name: '1 Gbit/s', bytesPerSecond: 125_000_000 },
];
/** Bases that all VMs share; those of VMs whose bases nobody has are called as their VMs. */
const SHARED = 'shared';

/** Running guests moved by LayerMover, and by QEMU's drive-mirror to an NBD server, over links of the same bandwidth. */
export async function benchQemuMirror(settings: Settings): Promise<Finding[]> {
  const { folder, isQuick, note } = settings;
  if (!hasQemu('qemu-mirror', note)) return [];
  if (findProgram('qemu-img') === undefined) {
    note('qemu-mirror: left out, qemu-img is not installed (apt-get install qemu-utils)');
    return [];
  }
  const layout = isQuick ? LAYOUT_QUICK : LAYOUT;
  const pairs = isQuick ? PAIRS_QUICK : settings.pairs;
  const findings: Finding[] = [];
  for (const [at, link] of LINKS.entries()) {
    const contest = new Contest({ folder: join(folder, String(at)), layout, pairs, link, note });
    findings.push(...(await contest.run()));
  }
  return findings;
}

interface ContestOptions {
  readonly folder: string;
  readonly layout: Layout;
  readonly pairs: number;
  readonly link: (typeof LINKS)[number];
  readonly note: Settings['note'];
}

/** Pairs of moves over links of one bandwidth: of VMs with bases that are nowhere else, and of those whose bases have been brought. */
class Contest {
  readonly #options: ContestOptions;
  readonly #stage: LiveStage;
  /** Where guests arrive that QEMU moves. */
  readonly #arrivals: string;

  constructor(options: ContestOptions) {
    this.#options = options;
    this.#stage = new LiveStage(options.folder);
    this.#arrivals = join(options.folder, 'q');
  }

  async run(): Promise<Finding[]> {
    const { folder, pairs, link } = this.#options;
    try {
      await this.#stage.start((at) => this.#makeVms(at), { roundTripMs: 0, bytesPerSecond: link.bytesPerSecond });
      mkdirSync(this.#arrivals);
      bringBases(this.#stage.images('a'), this.#arrivals, SHARED);
      // It brings the bases that the others share, and is not counted.
      await this.#pair('first', 0);
      const found: Record<'new' | 'known', MovePair[]> = { new: [], known: [] };
      for (const sort of ['new', 'known'] as const) {
        for (let nth = 0; nth < pairs; nth++) found[sort].push(await this.#pair(sort, nth));
      }
      const of = (bases: string) => `${link.name}, base layers ${bases} at the destination`;
      return [...findingsOf(of('not known'), found.new), ...findingsOf(of('known'), found.known)];
    } finally {
      await this.#stage.stop();
      rmSync(folder, { recursive: true, force: true });
    }
  }

  async #makeVms(at: Place): Promise<void> {
    const { layout, pairs } = this.#options;
    const make = async (vm: string, over: string, seed: number) => {
      for (const name of [vm, `${vm}-q`]) await makeTop(join(at.images, `${name}.qcow2`), layout, over, seed);
      await tellOf(vm, at);
    };
    const shared = await makeBases(at.images, SHARED, 0, layout);
    await make('first-0', shared, 0);
    for (let nth = 0; nth < pairs; nth++) {
      await make(`known-${nth}`, shared, 1 + 2 * nth);
      await make(`new-${nth}`, await makeBases(at.images, `new-${nth}`, 1 + nth, layout), 2 + 2 * nth);
    }
  }

  /** A B, B A, A B …: whatever else the machine does meets both alike. */
  async #pair(sort: 'first' | 'new' | 'known', nth: number): Promise<MovePair> {
    const { layout, link, note } = this.#options;
    const [vm, sides] = [`${sort}-${nth}`, { from: this.#stage.images('a'), to: this.#arrivals }];
    const over = sort === 'new' ? undefined : basename(basesOf(sides.to, SHARED).at(-1)!);
    const way = { roundTripMs: 0, bytesPerSecond: link.bytesPerSecond };
    const ours = () => byLayerMover(vm, this.#stage);
    const qemus = () => byQemu(`${vm}-q`, { ...sides, way, bytes: diskBytes(layout), over });
    const first = nth % 2 === 0 ? await ours() : await qemus();
    const second = nth % 2 === 0 ? await qemus() : await ours();
    const pair = nth % 2 === 0 ? { ours: first, qemus: second } : { ours: second, qemus: first };
    note(`qemu-mirror ${link.name}, ${vm}: ${JSON.stringify(pair)}`);
    return pair;
  }
}
