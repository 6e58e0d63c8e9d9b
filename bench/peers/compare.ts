import type { Finding } from '../finding.ts';
import { type CommandOptions, type Cost, run } from './command.ts';
import type { Figures } from './figures.ts';
import { goals, megabytes, SLOW_LINK_BYTES_PER_SECOND } from './goals.ts';
import type { Images } from './images/build.ts';
import { measureProduct } from './measure-product.ts';
import { measureTool } from './measure-tool.ts';
import type { Tool } from './tools.ts';

export interface Compared {
  readonly figures: readonly Figures[];
  readonly findings: readonly Finding[];
}

/** Has the product and its peers store the same images, one after the other, and sets it against the best of them. */
export async function compare(
  images: Images,
  tools: readonly Tool[],
  settings: CommandOptions & {
    readonly dir: string;
    readonly note: (line: string) => void;
    /** False if the images are too small for times to tell anything. */
    readonly isTimed: boolean;
  },
): Promise<Compared> {
  const { dir, note, isTimed, ...options } = settings;
  // What is not in memory would be read by whoever comes first.
  for (const { raw, chain } of [images.os, ...images.environments, images.vms[0]!]) {
    await run(['sh', '-c', 'cat "$@" >/dev/null', 'cat', raw, ...chain], options);
  }
  const figures: Figures[] = [];
  const told = (found: Figures) => {
    figures.push(found);
    note(toldOf(found));
    return found;
  };
  const product = async (name: string, bytesPerSecond?: number) =>
    told(await measureProduct({ name, bytesPerSecond }, images, dir, options));
  const fast = await product('LayerMover');
  const slow = await product('LayerMover at 100 Mbit/s', SLOW_LINK_BYTES_PER_SECOND);
  for (const tool of tools) {
    for (const input of tool.inputs) told(await measureTool(tool, images, { ...options, dir }, input));
  }
  return { figures, findings: goals({ fast, slow }, figures, { isTimed }) };
}

function toldOf({ name, storedBytes, ingest, vmBytes, vm, restore }: Figures): string {
  const took = ({ seconds, cpuSeconds, rssBytes }: Cost) =>
    `${seconds.toFixed(1)} s (CPU ${cpuSeconds.toFixed(1)} s, ${megabytes(rssBytes)} resident)`;
  const back = restore === undefined ? '' : `; back in ${took(restore)}`;
  return `${name}: ${megabytes(storedBytes)} in ${took(ingest)}; VM ${megabytes(vmBytes)} in ${took(vm)}${back}`;
}
