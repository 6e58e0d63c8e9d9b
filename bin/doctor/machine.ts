import { execFile } from 'node:child_process';
import { access, readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { availableParallelism, totalmem } from 'node:os';
import { promisify } from 'node:util';
import { bytes } from '../output/units.ts';
import { type Finding, finding, good } from './finding.ts';

const NODE_WANTED = 24;
const MEMORY_BYTES_WANTED = 1e9;
const OPEN_FILES_WANTED = 1024;
const QEMU_MS_MAX = 5_000;

/** What the machine itself has. */
export function examineMachine(): readonly Promise<Finding>[] {
  return [runtime(), memory(), openFiles(), locks(), qemuImg(), kvm()];
}

async function runtime(): Promise<Finding> {
  const detail = `Node ${process.versions.node}, ${availableParallelism()} cores`;
  const zstd = 'createZstdCompress' in createRequire(import.meta.url)('node:zlib');
  if (zstd && Number(process.versions.node.split('.')[0]) >= NODE_WANTED) return good('runtime', detail);
  const lack = zstd ? detail : `${detail}, without zstd`;
  return finding('runtime', 'lacking', lack, `run npm ci, which brings Node ${NODE_WANTED} along`);
}

async function memory(): Promise<Finding> {
  if (totalmem() >= MEMORY_BYTES_WANTED) return good('memory', bytes(totalmem()));
  return finding('memory', 'lacking', bytes(totalmem()), 'an agent may take 512 MB');
}

/** Chains, packs and connections are open at the same time. */
async function openFiles(): Promise<Finding> {
  const limits = await readFile('/proc/self/limits', 'utf8').catch(() => '');
  const soft = /^Max open files\s+(\d+|unlimited)/m.exec(limits)?.[1];
  if (soft === undefined)
    return finding('open files', 'note', 'the limit can’t be read', 'see that it is 1024 or more');
  if (soft === 'unlimited' || Number(soft) >= OPEN_FILES_WANTED) return good('open files', `${soft} at once`);
  return finding(
    'open files',
    'lacking',
    `${soft} at once`,
    `ulimit -n ${OPEN_FILES_WANTED}, or LimitNOFILE= in the unit`,
  );
}

/** Without /proc/locks an image that a running QEMU writes to can't be told from one at rest. */
async function locks(): Promise<Finding> {
  try {
    await readFile('/proc/locks');
    return good('image locks', '/proc/locks can be read');
  } catch {
    const hint = 'mount /proc; until then stop every VM before it is migrated, nothing checks it';
    return finding('image locks', 'unsafe', '/proc/locks can’t be read', hint);
  }
}

async function qemuImg(): Promise<Finding> {
  try {
    const { stdout } = await promisify(execFile)('qemu-img', ['--version'], { timeout: QEMU_MS_MAX });
    return good('qemu-img', /version (\S+)/.exec(stdout)?.[1] ?? 'of an unknown version');
  } catch {
    return finding(
      'qemu-img',
      'note',
      'not installed',
      'nothing here needs it; the demo also compares with it if it is there',
    );
  }
}

async function kvm(): Promise<Finding> {
  try {
    await access('/dev/kvm');
    return good('kvm', '/dev/kvm is there');
  } catch {
    return finding('kvm', 'note', 'there is no /dev/kvm', 'moving stopped VMs does not need it');
  }
}
