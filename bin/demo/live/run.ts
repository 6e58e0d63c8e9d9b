import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import type { ApiClient } from '../../../adapters/api/client.ts';
import type { MigrationView } from '../../../core/api/views.ts';
import { connect } from '../../connection.ts';
import { complain } from '../../output/failure.ts';
import { jsonLine } from '../../output/json-lines.ts';
import { paint } from '../../output/paint.ts';
import { report } from '../../output/report.ts';
import { stopSignal } from '../../signals.ts';
import { requestMigration } from '../../verbs/request.ts';
import { summary, watch } from '../../watch.ts';
import { machineFiles } from '../machine-files.ts';
import { runCommand, startService } from '../process.ts';
import { makeDisks } from './disks.ts';
import { killLaunched, launcherFor, type SourceGuest, startGuest, untilAcknowledged } from './guests.ts';
import { acknowledged, judge } from './judge.ts';
import { makeLinux } from './linux.ts';
import { assertTools } from './needs.ts';
import { endGuest } from './serial.ts';

const MiB = 1024 * 1024;
const DISK_BYTES = 192 * MiB;
const VMS = ['web-1', 'web-2'];
const RECORDS_BEFORE = 20;
const RECORDS_AFTER = 20;

/** What became of one guest. */
export interface GuestProof {
  readonly vm: string;
  /** Records that it had acknowledged when the move began, when it was over, and in the end. */
  readonly before: number;
  readonly after: number;
  readonly acknowledged: number;
  readonly recorded: number;
  /** What is wrong; undefined if nothing is. */
  readonly fault?: string;
}

/**
 * Runs two Linux guests that share base layers and write all the while, moves them as one with their memory, and judges
 * what they said and what is on their disks. Errors: TOOLS_MISSING, GUEST_SILENT and those of services.
 */
export async function runLiveDemo({ json }: { json: boolean }): Promise<boolean> {
  assertTools();
  // Its sockets' paths must be short.
  const work = await mkdtemp(path.join(os.tmpdir(), 'lm-'));
  const say = (line: string): void => void process.stderr.write(`${line}\n`);
  const signal = stopSignal('the demo was stopped', 'its cloud, agents and guests are gone');
  const ends: (() => Promise<void>)[] = [() => rm(work, { recursive: true, force: true })];
  try {
    const [from, to] = [path.join(work, 'a'), path.join(work, 'b')];
    for (const folder of [from, to]) await mkdir(folder);
    say(`making two guests of this machine's files: they share an OS and a working environment`);
    const linux = await makeLinux(work);
    const tops = await makeDisks(from, VMS, { ...contents(), bytes: DISK_BYTES });
    const serials = { a: path.join(work, 'sa'), b: path.join(work, 'sb') };
    const guests = VMS.map((name) => startGuest(linux, name, tops[name]!, serials.a));
    for (const guest of guests) ends.unshift(guest.kill);
    for (const guest of guests) await tellOf(work, guest, tops[guest.name]!);
    const launcher = path.join(work, 'launcher.json');
    await writeFile(launcher, JSON.stringify(launcherFor(linux, serials.b)));
    ends.unshift(() => killLaunched(path.join(work, 'b-state')));
    say('starting the embedded cloud, and an agent at each of two sites');
    const client = await startAll(work, launcher, ends);
    signal.throwIfAborted();
    say('the guests boot (software emulation: some seconds) and write, each record with fsync');
    await Promise.all(guests.map(({ serial }) => untilAcknowledged([serial], RECORDS_BEFORE, signal)));
    return await move({ client, work, guests, serials, json, signal });
  } finally {
    for (const end of ends) await end();
  }
}

function contents() {
  const operatingSystem = machineFiles(['/usr/bin', '/usr/lib'], 48 * MiB);
  const taken = new Set(operatingSystem.map((file) => file.path));
  return { os: operatingSystem, we: machineFiles(['/usr/share', '/usr/lib'], 24 * MiB, taken) };
}

/** The cloud and both agents; what ends them is put before the rest of `ends`. */
async function startAll(work: string, launcher: string, ends: (() => Promise<void>)[]): Promise<ApiClient> {
  const service = async (log: string, words: readonly string[]) => {
    const started = await startService(words, path.join(work, log));
    ends.unshift(() => started.stop());
    return started;
  };
  const cloud = await service('cloud.log', ['cloud', 'start', '--data', path.join(work, 'cloud')]);
  const cloudFile = String(cloud.ready.cloud_file);
  const agent = (site: string, host: string, more: readonly string[]) => {
    const place = ['--site', site, '--host', host, '--images', path.join(work, site), '--state', stateOf(work, site)];
    return service(`agent-${site}.log`, ['agent', ...place, '--cloud', cloudFile, ...more]);
  };
  await agent('a', 'h1', []);
  await agent('b', 'h2', ['--launcher', launcher, '--migration-address', 'unix']);
  return connect(cloudFile);
}

function stateOf(work: string, site: string): string {
  return path.join(work, `${site}-state`);
}

/** The source's agent, which is not started yet, will know how a guest's QEMU is asked. */
async function tellOf(work: string, { name, qmp }: SourceGuest, top: string): Promise<void> {
  const place = ['--images', path.join(work, 'a'), '--state', stateOf(work, 'a')];
  await runCommand(['vm', 'add', name, '--qmp', qmp, '--disk', `disk0=${top}`, ...place]);
}

interface Moving {
  readonly client: ApiClient;
  readonly work: string;
  readonly guests: readonly SourceGuest[];
  readonly serials: { readonly a: string; readonly b: string };
  readonly json: boolean;
  readonly signal: AbortSignal;
}

async function move({ client, work, guests, serials, json, signal }: Moving): Promise<boolean> {
  const both = (vm: string) => [`${serials.a}-${vm}`, `${serials.b}-${vm}`];
  const counts = () => Promise.all(guests.map(({ name }) => acknowledged(both(name))));
  const before = await counts();
  const options = { from: 'a/h1', to: 'b/h2', policy: 'auto', chunk: '65536', live: true };
  const id = await requestMigration(client, VMS, options);
  const ended = await watch(client, id, json, signal);
  const after = await counts();
  const proofs: GuestProof[] = [];
  for (const [at, { name: vm }] of guests.entries()) {
    if (ended.state !== 'committed') break;
    await untilAcknowledged(both(vm), after[at]! + RECORDS_AFTER, signal);
    await endGuest(`${serials.b}-${vm}`);
    const judged = await judge(path.join(work, 'b', `${vm}.qcow2`), both(vm), path.join(work, 'judged.raw'));
    proofs.push({ vm, before: before[at]!, after: after[at]!, ...judged });
  }
  tell(ended, proofs, json);
  return ended.state === 'committed' && proofs.every(({ fault }) => fault === undefined);
}

function tell(ended: MigrationView, proofs: readonly GuestProof[], json: boolean): void {
  const error = ended.error ?? ended.vms.find((vm) => vm.error)?.error;
  const { vms } = summary([ended]);
  if (json) {
    for (const proof of proofs)
      jsonLine('proof', { vm: proof.vm, equal: proof.fault === undefined, detail: detailOf(proof) });
    jsonLine('summary', { vms, ...(error ? { error } : {}) });
  } else {
    process.stdout.write(`\n${report({ vms })}\n\n`);
    for (const proof of proofs) process.stdout.write(`${proofWords(proof)}\n`);
  }
  if (error) complain(error);
}

function proofWords(proof: GuestProof): string {
  return `${proof.fault === undefined ? paint.green('✓') : paint.red('✗')} ${proof.vm}: ${detailOf(proof)}`;
}

function detailOf({ before, after, acknowledged: all, recorded, fault }: GuestProof): string {
  if (fault !== undefined) return fault;
  const counts = `${before} records before the move, ${after} when it was over, ${all} in the end`;
  return `${counts}: ${recorded} are on its disk, none is missing; its file system is clean`;
}
