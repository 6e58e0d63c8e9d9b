import { stat } from 'node:fs/promises';
import path from 'node:path';
import type { Command } from 'commander';
import { vmName } from '../../core/api/names.ts';
import { limits } from '../../core/limits.ts';
import type { Acts } from '../demo/run.ts';
import { EXIT, usage } from '../exit-codes.ts';
import { verb } from './verb.ts';

interface Options {
  vm: string[];
  out?: string;
  report?: string;
  live?: boolean;
  json?: boolean;
}

/** The user's own images as one act: VMs by the stems of their files. */
async function actsOf(files: readonly string[]): Promise<Acts> {
  const paths = files.map((file) => path.resolve(file));
  for (const file of paths) {
    if (!(await stat(file).catch(() => undefined))?.isFile())
      throw usage(`--vm ${file} is not a file`, 'name the top image of a VM');
  }
  const named = paths.map((file) => [nameOf(file), file] as const);
  const tops = Object.fromEntries(named);
  const names = Object.keys(tops);
  if (names.length < paths.length)
    throw usage('two images have the same name', 'VMs are named by their files: give them different names');
  return {
    imageFolder: commonFolder(paths),
    tops,
    acts: [{ title: `${names.join(', ')} to a site that has nothing`, vms: names }],
  };
}

/** A VM's name from its file's: what the API doesn't take as a name gives way to dashes. */
function nameOf(file: string): string {
  const name = path
    .parse(file)
    .name.replace(/[^A-Za-z0-9._-]/g, '-')
    .replace(/^[._-]+/, '')
    .slice(0, limits.name_length_max);
  if (vmName.safeParse(name).success) return name;
  throw usage(`${file} gives no name for a VM`, 'give the file a name of letters and digits');
}

/** The nearest folder that holds all of the files: backing files must lie in it, too. */
function commonFolder(files: readonly string[]): string {
  const parts = files.map((file) => path.dirname(file).split(path.sep));
  const first = parts[0]!;
  const same = first.findIndex((part, at) => parts.some((each) => each[at] !== part));
  return (same < 0 ? first : first.slice(0, same)).join(path.sep) || path.sep;
}

async function run(options: Options): Promise<void> {
  if (options.live) return await runLive(options);
  const acts = options.vm.length === 0 ? undefined : await actsOf(options.vm);
  const { runDemo } = await import('../demo/run.ts');
  const equal = await runDemo({
    ...(acts ? { acts } : {}),
    ...(options.out === undefined ? {} : { out: options.out }),
    ...(options.report === undefined ? {} : { report: options.report }),
    json: options.json === true,
  });
  if (!equal) process.exitCode = EXIT.failed;
}

async function runLive({ vm, out, report, json }: Options): Promise<void> {
  if (vm.length > 0 || out !== undefined || report !== undefined)
    throw usage('--live goes with no images of yours', 'leave --vm, --out and --report out');
  const { runLiveDemo } = await import('../demo/live/run.ts');
  if (!(await runLiveDemo({ json: json === true }))) process.exitCode = EXIT.failed;
}

const collect = (value: string, all: string[]): string[] => [...all, value];

export function demoVerb(): Command {
  return verb(
    'demo',
    'Migrate VMs on this machine, on the embedded cloud, and prove them equal: three made of its files, or your own.',
    'layermover demo --vm a.qcow2 --vm b.qcow2 --out arrived',
  )
    .option('--vm <image>', 'top image of a VM (qcow2 chain of any depth, or raw); repeat for several', collect, [])
    .option('--out <dir>', 'leave the arrived chains here')
    .option('--report <file>', 'write a page of each migration, with a picture of what was sent')
    .option('--live', 'two Linux guests that run and write all the while; needs QEMU')
    .action(run);
}
