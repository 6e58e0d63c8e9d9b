import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import type { MigrationView } from '../../core/api/views.ts';
import { connect } from '../connection.ts';
import { complain } from '../output/failure.ts';
import { jsonLine } from '../output/json-lines.ts';
import { paint, paintMessage } from '../output/paint.ts';
import { report } from '../output/report.ts';
import { reportPlace } from '../report/file.ts';
import { makeReport } from '../report/make.ts';
import { stopSignal } from '../signals.ts';
import { requestMigration } from '../verbs/request.ts';
import { summary, watch } from '../watch.ts';
import { makeImages } from './images.ts';
import { startService } from './process.ts';
import { type Proof, prove } from './proof.ts';

/** Which VMs move in which order: each act is one migration of several VMs as one. */
export interface Acts {
  readonly imageFolder: string;
  /** Top images by VM name. */
  readonly tops: Readonly<Record<string, string>>;
  readonly acts: readonly { readonly title: string; readonly vms: readonly string[] }[];
}

const SOURCE = 'a/h1';
const DESTINATION = 'b/h2';

/** Runs a demo in a folder of its own: a cloud and two agents as processes, the acts, the report and the proof. */
export async function runDemo(options: {
  acts?: Acts;
  out?: string;
  /** The page of each act: this file for the first, `…-2` and so on for those after it. */
  report?: string;
  json: boolean;
}): Promise<boolean> {
  const work = await mkdtemp(path.join(os.tmpdir(), 'layermover-demo-'));
  const say = (line: string): void => void process.stderr.write(`${line}\n`);
  const services: { stop(): Promise<void> }[] = [];
  const signal = stopSignal('the demo was stopped', 'its cloud, agents and images are gone');
  try {
    const acts = options.acts ?? (await ownActs(path.join(work, 'a'), say));
    const pages = await pagePlaces(options.report, acts.acts.length);
    const arrivals = path.resolve(options.out ?? path.join(work, 'b'));
    await mkdir(arrivals, { recursive: true });
    say('starting the embedded cloud, and an agent at site a and one at site b');
    const cloud = await startService(
      ['cloud', 'start', '--data', path.join(work, 'cloud')],
      path.join(work, 'cloud.log'),
    );
    services.unshift(cloud);
    signal.throwIfAborted();
    const cloudFile = String(cloud.ready.cloud_file);
    const agent = async (site: string, host: string, images: string, vms: readonly string[]): Promise<void> => {
      const place = ['--site', site, '--host', host, '--images', images, '--state', path.join(work, `${site}-state`)];
      const named = vms.flatMap((vm) => ['--vm', vm]);
      services.unshift(
        await startService(['agent', ...place, '--cloud', cloudFile, ...named], path.join(work, `agent-${site}.log`)),
      );
    };
    await agent(
      'a',
      'h1',
      acts.imageFolder,
      Object.entries(acts.tops).map(([name, top]) => `${name}=${top}`),
    );
    await agent('b', 'h2', arrivals, []);
    signal.throwIfAborted();
    const client = await connect(cloudFile);
    const migrations: MigrationView[] = [];
    const proofs: Proof[] = [];
    for (const [at, act] of acts.acts.entries()) {
      say(`\n${paintMessage.bold(act.title)}`);
      const id = await requestMigration(client, act.vms, {
        from: SOURCE,
        to: DESTINATION,
        policy: 'kind',
        chunk: '65536',
      });
      const ended = await watch(client, id, options.json, signal);
      migrations.push(ended);
      if (pages[at] !== undefined) await makeReport(client, ended, pages[at], options.json);
      if (ended.state !== 'committed') break;
      const { vms } = await client.call('getReceipts', { params: { migration: id } });
      for (const { vm, destination } of vms) {
        const arrived = path.join(arrivals, destination?.layers.at(-1)?.name ?? '');
        proofs.push(await prove(vm, acts.tops[vm]!, acts.imageFolder, arrived));
      }
    }
    return conclude(migrations, proofs, options, arrivals);
  } finally {
    for (const service of services) await service.stop();
    await rm(work, { recursive: true, force: true });
  }
}

async function pagePlaces(file: string | undefined, count: number): Promise<string[]> {
  if (file === undefined) return [];
  const { dir, name, ext } = path.parse(file);
  const names = Array.from({ length: count }, (_, at) => (at === 0 ? file : path.join(dir, `${name}-${at + 1}${ext}`)));
  return await Promise.all(names.map((each) => reportPlace(each)));
}

async function ownActs(folder: string, say: (line: string) => void): Promise<Acts> {
  const tops = await makeImages(folder, say);
  return {
    imageFolder: folder,
    tops,
    acts: [
      { title: 'web-1 and web-2 move as one to a site that has nothing', vms: ['web-1', 'web-2'] },
      { title: 'db-1 follows: the site has its OS layer by now', vms: ['db-1'] },
    ],
  };
}

function conclude(
  migrations: readonly MigrationView[],
  proofs: readonly Proof[],
  options: { out?: string; json: boolean },
  arrivals: string,
): boolean {
  const proven = (vm: string): boolean => proofs.find((proof) => proof.vm === vm)?.equal === true;
  const vms = summary(migrations).vms.map((vm) => ({ ...vm, equal: vm.equal && proven(vm.name) }));
  const failed = migrations.find((each) => each.state !== 'committed');
  const error = failed?.error ?? failed?.vms.find((vm) => vm.error)?.error;
  if (options.json) {
    for (const proof of proofs) jsonLine('proof', { ...proof });
    jsonLine('summary', { vms, ...(error ? { error } : {}) });
  } else {
    if (vms.length > 0) process.stdout.write(`\n${report({ vms })}\n\n`);
    for (const proof of proofs) {
      const mark = proof.equal ? paint.green('✓') : paint.red('✗');
      process.stdout.write(`${mark} ${proof.vm}: source and destination compared: ${proof.detail}\n`);
    }
    if (options.out !== undefined && !failed) process.stdout.write(`\nThe arrived chains are in ${arrivals}\n`);
  }
  if (error) complain(error);
  return !failed && vms.length > 0 && vms.every((vm) => vm.equal);
}
