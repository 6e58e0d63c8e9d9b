import * as z from 'zod';
import { withDeadline } from '../../adapters/deadline.ts';
import { hasCode } from '../../core/errors.ts';
import { limits } from '../../core/limits.ts';
import type { Clock } from '../../core/ports.ts';
import type { ByteStream, Dial } from '../../core/stream.ts';
import { abortable } from '../flow/abortable.ts';
import { Slots } from '../flow/slots.ts';
import { EventFeed, type Match, type QmpEvent } from './events.ts';
import { commandFailed, lost, refused, timedOut, unreachable } from './failure.ts';
import { linesOf } from './lines.ts';
import { assertHarmless } from './never.ts';
import { QmpSchema } from './schema.ts';

/** What a monitor says (QEMU's docs/interop/qmp-spec.rst): one JSON object a line. */
const message = z.object({
  QMP: z.unknown().optional(),
  id: z.number().optional(),
  return: z.unknown().optional(),
  error: z.object({ class: z.string(), desc: z.string() }).optional(),
  event: z.string().optional(),
  data: z.record(z.string(), z.unknown()).optional(),
});

export interface ExecuteOptions {
  readonly signal?: AbortSignal | undefined;
  /** `limits.qmp_command_ms` unless set. */
  readonly timeoutMs?: number | undefined;
}

interface Pending {
  readonly command: string;
  readonly resolve: (answer: unknown) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Connects to a QMP monitor, tries again for `limits.qmp_connect_ms` while there is none, and negotiates.
 * Errors: QMP_UNREACHABLE, QMP_REFUSED, the signal's reason.
 */
export async function connectQmp(dial: Dial, { clock, signal }: { clock: Clock; signal: AbortSignal }): Promise<Qmp> {
  const late = () => unreachable(`no greeting within ${limits.qmp_connect_ms} ms`);
  return withDeadline((within) => connectWithin(dial, clock, within), {
    clock,
    ms: limits.qmp_connect_ms,
    late,
    signal,
  });
}

async function connectWithin(dial: Dial, clock: Clock, signal: AbortSignal): Promise<Qmp> {
  for (let failure: unknown; ; ) {
    try {
      return await Qmp.open(await dial(signal), clock, signal);
    } catch (error) {
      if (signal.aborted && hasCode(signal.reason, 'QMP_UNREACHABLE')) {
        throw unreachable(signal.reason.message, failure ?? error);
      }
      if (signal.aborted || hasCode(error, 'QMP_REFUSED')) throw error;
      failure = error;
    }
    await clock.sleep(limits.qmp_connect_retry_ms, signal).catch(() => undefined);
  }
}

/** One connection to a QMP monitor. When it is lost all that wait for it fail with QMP_LOST; make another one then. */
export class Qmp {
  readonly #stream: ByteStream;
  readonly #clock: Clock;
  readonly #pending = new Map<number, Pending>();
  readonly #feeds = new Set<EventFeed>();
  readonly #slots = Slots.count(limits.qmp_commands_in_flight);
  readonly #ended = new AbortController();
  #nextId = 1;
  #schema: Promise<QmpSchema> | undefined;

  private constructor(stream: ByteStream, clock: Clock) {
    this.#stream = stream;
    this.#clock = clock;
  }

  static async open(stream: ByteStream, clock: Clock, signal: AbortSignal): Promise<Qmp> {
    const qmp = new Qmp(stream, clock);
    const stop = () => qmp.#end(signal.reason);
    signal.addEventListener('abort', stop, { once: true });
    try {
      signal.throwIfAborted();
      const lines = linesOf(stream);
      const { value } = await abortable(lines.next(), signal);
      if (value === undefined) throw lost();
      if (parse(value).QMP === undefined) throw refused('it does not greet');
      qmp.#read(lines);
      await qmp.execute('qmp_capabilities', {}, { signal });
      return qmp;
    } catch (error) {
      qmp.#end(error);
      throw error;
    } finally {
      signal.removeEventListener('abort', stop);
    }
  }

  /** Aborts, with why, when the connection has ended. */
  get ended(): AbortSignal {
    return this.#ended.signal;
  }

  /**
   * QEMU's answer to a command. A command that was given up may still be done.
   * Errors: QMP_COMMAND_FAILED, QMP_TIMEOUT, QMP_LOST, QMP_REFUSED, QMP_NEVER, the signal's reason.
   */
  async execute(command: string, args: Readonly<Record<string, unknown>> = {}, options: ExecuteOptions = {}) {
    assertHarmless(command, args);
    const ms = options.timeoutMs ?? limits.qmp_command_ms;
    const late = () => timedOut(command, ms);
    const work = (signal: AbortSignal) => this.#execute(command, args, AbortSignal.any([signal, this.ended]));
    return withDeadline(work, { clock: this.#clock, ms, late, signal: options.signal });
  }

  /** Events of these names from now on, until it is closed. */
  events(...names: readonly string[]): EventFeed {
    const feed = new EventFeed(names, (closed) => this.#feeds.delete(closed));
    if (this.ended.aborted) feed.fail(this.ended.reason);
    this.#feeds.add(feed);
    return feed;
  }

  /** The next event of this name, counted from the call on, that matches. Errors: as `execute`. */
  async waitFor(name: string, match: Match, signal: AbortSignal): Promise<QmpEvent> {
    const feed = this.events(name);
    try {
      return await feed.next(signal, match);
    } finally {
      feed.close();
    }
  }

  /** What this QEMU's commands take. Errors: as `execute`. */
  schema(): Promise<QmpSchema> {
    this.#schema ??= this.execute('query-qmp-schema').then(QmpSchema.parse);
    return this.#schema;
  }

  close(): void {
    this.#end(lost());
  }

  async #execute(command: string, args: Readonly<Record<string, unknown>>, signal: AbortSignal): Promise<unknown> {
    const slot = await this.#slots.take(signal);
    const id = this.#nextId++;
    try {
      const answer = new Promise<unknown>((resolve, reject) => this.#pending.set(id, { command, resolve, reject }));
      answer.catch(() => undefined);
      const line = Buffer.from(`${JSON.stringify({ execute: command, arguments: args, id })}\n`);
      await abortable(this.#stream.write(line), signal).catch((cause) => {
        signal.throwIfAborted();
        throw lost(cause);
      });
      return await abortable(answer, signal);
    } finally {
      this.#pending.delete(id);
      this.#slots.give(slot);
    }
  }

  async #read(lines: AsyncGenerator<string>): Promise<void> {
    try {
      for await (const line of lines) this.#take(parse(line));
      this.#end(lost());
    } catch (error) {
      this.#end(hasCode(error, 'QMP_REFUSED') ? error : lost(error));
    }
  }

  #take({ id, event, data, error, ...rest }: z.infer<typeof message>): void {
    if (event !== undefined) {
      for (const feed of this.#feeds) feed.deliver({ event, data: data ?? {} });
      return;
    }
    if (id === undefined || id >= this.#nextId)
      throw refused(`an answer to nothing: ${error?.desc ?? 'no id of ours'}`);
    // Nobody waits any more for what was given up.
    const pending = this.#pending.get(id);
    if (pending === undefined) return;
    if (error !== undefined) pending.reject(commandFailed(pending.command, error));
    else pending.resolve(rest.return);
  }

  #end(reason: unknown): void {
    this.#stream.close();
    if (!this.ended.aborted) this.#ended.abort(reason);
    for (const feed of this.#feeds) feed.fail(reason);
  }
}

function parse(line: string): z.infer<typeof message> {
  try {
    return message.parse(JSON.parse(line));
  } catch (cause) {
    throw refused('a line that is no message', cause);
  }
}
