import type * as z from 'zod';
import type { roundRequest } from '../../core/api/agent.ts';
import type { SurveyedLayer, TaskResult } from '../../core/api/tasks.ts';
import { toHex } from '../../core/fingerprint.ts';
import { encodeFooter, encodeTrailer, packIdOf } from '../../core/format/footer.ts';
import { checksumOfHead, encodeFrameHead } from '../../core/format/frame.ts';
import type { LocalCloud } from '../agent/local-cloud.ts';

type Round = Pick<z.infer<typeof roundRequest>, 'stream' | 'segments' | 'layer_id'>;

/** A task as it was handed out. */
interface Handed {
  readonly id: string;
  readonly attempt: number;
}

/** A host whose agent speaks the API as ours does, and says what a test wants. */
export class LyingHost {
  readonly #cloud: LocalCloud;
  readonly #place: { site: string; host: string };

  private constructor(cloud: LocalCloud, site: string) {
    this.#cloud = cloud;
    this.#place = { site, host: 'h1' };
  }

  static async enrol(
    cloud: LocalCloud,
    site: string,
    { vms = [], layers = [] }: { vms?: string[]; layers?: string[] },
  ): Promise<LyingHost> {
    const host = new LyingHost(cloud, site);
    const body = { version: '1', vms, free_bytes: 1e12, layers };
    await cloud.api.call('enrolHost', { params: host.#place, body });
    return host;
  }

  /** The next task of a kind that it is handed. */
  async next(kind: string): Promise<Handed> {
    const body = { instance: '9'.repeat(32), free_bytes: 1e12, running: [], following: [], awaiting: [] };
    for (;;) {
      const { tasks } = await this.#cloud.api.call('poll', { params: this.#place, body });
      const task = tasks.find(({ input }) => input.kind === kind);
      if (task !== undefined) return task;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  /** Says what a VM consists of. */
  async survey(name: string, layers: SurveyedLayer[]): Promise<void> {
    await this.done(await this.next('survey'), { kind: 'survey', vms: [{ name, layers }] });
  }

  async announce({ id: task, attempt }: Handed, pack: string): Promise<void> {
    await this.#cloud.api.call('announcePacks', { params: { task }, body: { attempt, packs: [pack] } });
  }

  async commit({ id: task, attempt }: Handed, round: Round): Promise<void> {
    await this.#cloud.api.call('commitRound', { params: { task }, body: { attempt, sequence: 0, ...round } });
  }

  async done({ id: task, attempt }: Handed, result: TaskResult): Promise<void> {
    const body = { attempt, outcome: { status: 'done' as const, result } };
    await this.#cloud.api.call('reportTask', { params: { task }, body });
  }

  async fail({ id: task, attempt }: Handed): Promise<void> {
    const error = { code: 'NO_MORE', message: 'no more' };
    const body = { attempt, outcome: { status: 'failed' as const, error } };
    await this.#cloud.api.call('reportTask', { params: { task }, body });
  }
}

/** A pack of one frame, sound as far as its checksums and its id go, that says these fingerprints of what it holds. */
export function forgedPack(fingerprints: readonly Buffer[], payload: Buffer, chunkBytes: number) {
  const rawBytes = payload.length;
  const head = encodeFrameHead({ codec: 'stored', windowLog: 0, rawBytes, prefix: [], payload });
  const frame = { offset: 0, frameBytes: head.length + payload.length, rawBytes };
  const chunks = fingerprints.map((fingerprint) => ({ fingerprint, length: chunkBytes }));
  const footer = encodeFooter({
    frames: [{ ...frame, chunks: chunks.length, checksum: checksumOfHead(head) }],
    chunks,
  });
  const id = toHex(packIdOf(footer));
  return { id, frame, parts: [head, payload, footer, encodeTrailer(footer.length)] };
}
