import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { type CommandOptions, type Cost, measured, run } from './command.ts';
import { bytesBelow } from './figures.ts';
import type { Image } from './images/build.ts';
import type { Input, Place, Step, Tool } from './tools.ts';

/** What a tool took, and what lies in its store, or was sent, since. */
export interface Taken {
  readonly cost: Cost;
  readonly bytes: number;
}

/** The product's files are durable when it says that it is done: so must all others be. */
const DURABLE = 'file=$1; shift; "$@" && sync "$file"';

/** A tool with a store of its own, which goes when `work` has ended. */
export async function withTool<T>(
  tool: Tool,
  { dir, ...options }: CommandOptions & { readonly dir: string },
  work: (session: ToolSession) => Promise<T>,
): Promise<T> {
  const place = { store: join(dir, 'store'), own: join(dir, 'own') };
  rmSync(dir, { recursive: true, force: true });
  for (const folder of Object.values(place)) mkdirSync(folder, { recursive: true });
  const settings = { ...options, env: tool.env?.(place) };
  try {
    if (tool.begin !== undefined) await run(tool.begin(place).words, settings);
    return await work(new ToolSession(tool, place, join(dir, 'restored'), settings));
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

export class ToolSession {
  readonly #tool: Tool;
  readonly #place: Place;
  readonly #restored: string;
  readonly #options: CommandOptions;
  /** Bytes in its store that are counted. */
  #bytes = 0;

  constructor(tool: Tool, place: Place, restored: string, options: CommandOptions) {
    this.#tool = tool;
    this.#place = place;
    this.#restored = restored;
    this.#options = options;
  }

  async ingest(image: Image, input: Input): Promise<Taken> {
    const file = input === 'raw' ? image.raw : image.chain.at(-1)!;
    const { cost, out } = await this.#step(this.#tool.ingest(this.#place, file, image.name));
    const bytes = this.#tool.sentBytes?.(out) ?? bytesBelow(this.#place.store) - this.#bytes;
    this.#bytes += bytes;
    return { cost, bytes };
  }

  /** Brings a raw disk back, durable. It must be equal. Undefined if the tool has nothing to give back. */
  async restore({ raw, name }: Image): Promise<Cost | undefined> {
    if (this.#tool.restore === undefined) return undefined;
    rmSync(this.#restored, { recursive: true, force: true });
    mkdirSync(this.#restored);
    const { restored, words, cwd } = this.#tool.restore(this.#place, raw, name, this.#restored);
    const durable = { words: ['sh', '-c', DURABLE, 'restore', restored, ...words], cwd: cwd ?? this.#restored };
    const { cost } = await this.#step(durable);
    await run(['qemu-img', 'compare', '-q', '-f', 'raw', '-F', 'raw', raw, restored], this.#options);
    return cost;
  }

  #step({ words, cwd }: Step) {
    return measured(words, { ...this.#options, cwd });
  }
}
