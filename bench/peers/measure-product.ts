import { existsSync, rmSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { type CommandOptions, type Cost, measured, run } from './command.ts';
import { bytesBelow, type Figures } from './figures.ts';
import type { Images } from './images/build.ts';
import { builtProcess } from './product/built.ts';
import type { IngestJob, ProductJob } from './product/job.ts';

export interface ProductSettings extends Pick<IngestJob, 'sampling' | 'bytesPerSecond'> {
  readonly name: string;
}

/** Runs a process of the product to its end. */
export async function runProduct(job: ProductJob, options: CommandOptions): Promise<Cost> {
  return (await measured([process.execPath, builtProcess(), JSON.stringify(job)], options)).cost;
}

/** The same as of the tools, of the product: it is given the layers' files, and its restore gives these back. */
export async function measureProduct(
  { name, ...settings }: ProductSettings,
  images: Images,
  dir: string,
  options: CommandOptions,
): Promise<Figures> {
  const fresh = () => rmSync(dir, { recursive: true, force: true });
  const ingest = (chains: IngestJob['chains']) =>
    runProduct({ kind: 'ingest', store: dir, layers: images.layers, chains, ...settings }, options);
  const stored = () => bytesBelow(join(dir, 'objects')) + rowBytes(join(dir, 'index.rows'));
  fresh();
  const vm = images.vms[0]!;
  try {
    const bases = await ingest([images.os, ...images.environments].map(({ chain }) => chain));
    const storedBytes = stored();
    const vmCost = await ingest([vm.chain]);
    const vmBytes = stored() - storedBytes;
    const into = join(dir, 'restored');
    const restore = await runProduct({ kind: 'restore', store: dir, chain: vm.chain, into }, options);
    const top = join(into, basename(vm.chain.at(-1)!));
    await run(['qemu-img', 'compare', '-q', '-f', 'raw', '-F', 'qcow2', vm.raw, top], options);
    await run(['qemu-img', 'check', '-q', top], options);
    const found = { storedBytes, ingest: bases, vmBytes, vm: vmCost, restore };
    return { name, isProduct: true, deduplicates: true, isGoal: true, ...found };
  } finally {
    fresh();
  }
}

function rowBytes(path: string): number {
  return existsSync(path) ? statSync(path).size : 0;
}
