import { type CommandOptions, type Cost, sumOf } from './command.ts';
import type { Figures } from './figures.ts';
import type { Images } from './images/build.ts';
import { type Taken, withTool } from './session.ts';
import type { Input, Tool } from './tools.ts';

type Settings = CommandOptions & { readonly dir: string };

/** Has a tool take in all images, then a VM, and give that back. What it gives back must be equal. */
export async function measureTool(
  tool: Tool,
  images: Images,
  settings: Settings,
  input: Input = 'raw',
): Promise<Figures> {
  return await withTool(tool, settings, async (session) => {
    const taken: Taken[] = [];
    for (const image of [images.os, ...images.environments]) taken.push(await session.ingest(image, input));
    const vm = await session.ingest(images.vms[0]!, input);
    return {
      name: input === 'raw' ? tool.name : `${tool.name}, of the layers’ files`,
      isProduct: false,
      deduplicates: tool.deduplicates,
      isGoal: input === 'raw',
      storedBytes: taken.reduce((sum, { bytes }) => sum + bytes, 0),
      ingest: sumOf(taken.map(({ cost }) => cost)),
      vmBytes: vm.bytes,
      vm: vm.cost,
      restore: input === 'raw' ? await session.restore(images.vms[0]!) : undefined,
    };
  });
}

/** What moving VMs takes a tool, but for the link. */
export interface GangFigures {
  readonly name: string;
  readonly deduplicates: boolean;
  readonly ingestSeconds: number;
  readonly bytes: number;
  readonly restoreSeconds: number;
}

/** Has a tool take in VMs into an empty store, and give each of them back. */
export async function measureGang(tool: Tool, images: Images, settings: Settings): Promise<GangFigures> {
  return await withTool(tool, settings, async (session) => {
    const taken: Taken[] = [];
    for (const vm of images.vms) taken.push(await session.ingest(vm, 'raw'));
    const restored: (Cost | undefined)[] = [];
    for (const vm of images.vms) restored.push(await session.restore(vm));
    return {
      name: tool.name,
      deduplicates: tool.deduplicates,
      ingestSeconds: sumOf(taken.map(({ cost }) => cost)).seconds,
      bytes: taken.reduce((sum, { bytes }) => sum + bytes, 0),
      restoreSeconds: restored.reduce((sum, cost) => sum + (cost?.seconds ?? 0), 0),
    };
  });
}
