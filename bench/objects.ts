import { setImmediate } from 'node:timers/promises';
import type { PullSource } from '../agent/pull/port.ts';
import type { ObjectKind, PushRound, PushSink } from '../agent/push/port.ts';
import { LayerMoverError } from '../core/errors.ts';
import type { BatchAnswer } from '../core/format/batch.ts';
import type { PackScope } from '../core/format/placement.ts';

/** Takes all a push sends and keeps nothing: what is left is the push itself. */
export class NullSink implements PushSink {
  packBytes = 0;

  async check(fingerprints: Uint8Array): Promise<BatchAnswer> {
    await setImmediate();
    const answers = Array.from({ length: fingerprints.length / 32 }, () => ({ status: 'missing' as const }));
    return { answers, frames: [], claimedUntilMs: 0 };
  }

  async put(kind: ObjectKind, _id: string, parts: readonly Uint8Array[]): Promise<'written' | 'present'> {
    await setImmediate();
    if (kind === 'packs') for (const part of parts) this.packBytes += part.length;
    return 'written';
  }

  announce(): Promise<void> {
    return setImmediate();
  }

  commit(_round: PushRound): Promise<void> {
    return setImmediate();
  }
}

/** Keeps what a push sends in memory, for a pull. */
export class MemoryObjects extends NullSink implements PullSource {
  readonly #objects = new Map<string, Buffer>();

  override async put(kind: ObjectKind, id: string, parts: readonly Uint8Array[]): Promise<'written' | 'present'> {
    this.#objects.set(`${kind}/${id}`, Buffer.concat(parts));
    return super.put(kind, id, parts);
  }

  root(layerId: string): Promise<Uint8Array> {
    return this.#get(`layers/${layerId}`);
  }

  segment(id: string): Promise<Uint8Array> {
    return this.#get(`segments/${id}`);
  }

  placement(segmentId: string): Promise<Uint8Array> {
    return this.#get(`placements/${segmentId}`);
  }

  async range(_scope: PackScope, pack: string, offset: number, length: number): Promise<Uint8Array> {
    const bytes = await this.#get(`packs/${pack}`);
    return bytes.subarray(offset, offset + length);
  }

  async #get(key: string): Promise<Uint8Array> {
    await setImmediate();
    const bytes = this.#objects.get(key);
    if (bytes === undefined) throw new LayerMoverError('OBJECT_MISSING', `there is no ${key}`);
    return bytes;
  }
}
