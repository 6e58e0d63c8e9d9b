import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { type CommandOptions, measured, run, sumOf } from './command.ts';
import { bytesBelow, type Figures } from './figures.ts';
import type { Image, Images } from './images/build.ts';
import type { Step, Tool } from './tools.ts';

/** Which file of an image a tool is given. */
export type Input = 'raw' | 'layer';

/** Has a tool take in all images, then a VM, and give that back. What it gives back must be equal. */
export async function measureTool(
  tool: Tool,
  images: Images,
  dir: string,
  options: CommandOptions,
  input: Input = 'raw',
): Promise<Figures> {
  const place = { store: join(dir, 'store'), own: join(dir, 'own') };
  const fresh = () => rmSync(dir, { recursive: true, force: true });
  fresh();
  for (const folder of Object.values(place)) mkdirSync(folder, { recursive: true });
  const settings = { ...options, env: tool.env?.(place) };
  const step = ({ words, cwd }: Step) => measured(words, { ...settings, cwd });
  const ingest = async (image: Image) => {
    const before = tool.sentBytes === undefined ? bytesBelow(place.store) : 0;
    const { cost, out } = await step(tool.ingest(place, fileOf(image, input), image.name));
    return { cost, bytes: tool.sentBytes?.(out) ?? bytesBelow(place.store) - before };
  };
  try {
    if (tool.begin !== undefined) await run(tool.begin(place).words, settings);
    const begun = bytesBelow(place.store);
    const taken = [];
    for (const image of [images.os, ...images.environments]) taken.push(await ingest(image));
    const vm = await ingest(images.vms[0]!);
    return {
      name: input === 'raw' ? tool.name : `${tool.name}, of the layers’ files`,
      isProduct: false,
      deduplicates: tool.deduplicates,
      isGoal: input === 'raw',
      storedBytes: taken.reduce((sum, { bytes }) => sum + bytes, begun),
      ingest: sumOf(taken.map(({ cost }) => cost)),
      vmBytes: vm.bytes,
      vm: vm.cost,
      restore: input === 'raw' ? await restored() : undefined,
    };
  } finally {
    fresh();
  }

  async function restored() {
    if (tool.restore === undefined) return undefined;
    const { raw, name } = images.vms[0]!;
    const folder = join(dir, 'restored');
    mkdirSync(folder);
    const { restored: file, words, cwd } = tool.restore(place, raw, name, folder);
    const { cost } = await step({ words: ['sh', '-c', DURABLE, 'restore', file, ...words], cwd: cwd ?? folder });
    await run(['qemu-img', 'compare', '-q', '-f', 'raw', '-F', 'raw', raw, file], options);
    return cost;
  }
}

/** The product's files are durable when it says that it is done: so must all others be. */
const DURABLE = 'file=$1; shift; "$@" && sync "$file"';

function fileOf(image: Image, input: Input): string {
  return input === 'raw' ? image.raw : image.chain.at(-1)!;
}
