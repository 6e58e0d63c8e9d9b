import { constants } from 'node:fs';
import { access, mkdtemp, open, rename, rm, stat, statfs } from 'node:fs/promises';
import path from 'node:path';
import { limits } from '../../core/limits.ts';
import { bytes } from '../output/units.ts';
import { type Finding, finding, good } from './finding.ts';
import { leftOut } from './left-out.ts';

const OTHERS_WRITE = 0o002;
const STICKY = 0o1000;

/** File systems (statfs type) that forget, or that other machines write to. Linux, magic.h. */
const FORGETFUL: Readonly<Record<number, string>> = { 16914836: 'tmpfs', 2240043254: 'ramfs' };
const REMOTE: Readonly<Record<number, string>> = { 26985: 'NFS', 4283649346: 'CIFS', 4266872130: 'SMB' };

/** The folders that an agent would serve and keep its state in; `state` may not be there yet. */
export function examineFolders(images: string, state: string): readonly Promise<Finding | readonly Finding[]>[] {
  return [imageFolder(images), fileSystem(images), passedOver(images), stateFolder(images, state)];
}

async function imageFolder(images: string): Promise<Finding> {
  const what = 'image folder';
  const found = await stat(images).catch(() => undefined);
  if (!found?.isDirectory()) return finding(what, 'lacking', `${images} is no folder`, 'make it, or name another one');
  if ((found.mode & OTHERS_WRITE) !== 0 && (found.mode & STICKY) === 0)
    return finding(what, 'unsafe', `anybody may write to ${images}`, `chmod o-w ${images}`);
  try {
    await access(images, constants.R_OK | constants.W_OK | constants.X_OK);
    return good(what, images);
  } catch {
    const hint = 'run as a user who may write to it; reading is enough for a source with --state elsewhere';
    return finding(what, 'lacking', `${images} can’t be read and written`, hint);
  }
}

/** Images have holes, are larger than 4 GiB, and must be there after a crash: tried on a file that is removed again. */
async function fileSystem(images: string): Promise<Finding> {
  const what = 'file system';
  const type = (await statfs(images).catch(() => undefined))?.type;
  if (type === undefined) return finding(what, 'lacking', 'unknown: no folder', 'see image folder');
  if (REMOTE[type]) {
    const hint =
      'a VM that runs on another host isn’t noticed: see that it is stopped, and that one agent alone serves the folder';
    return finding(what, 'unsafe', `${REMOTE[type]}: other hosts may write to it`, hint);
  }
  if (FORGETFUL[type])
    return finding(what, 'unsafe', `${FORGETFUL[type]}: images are gone when the host stops`, 'use a folder on a disk');
  let scratch: string | undefined;
  try {
    scratch = await mkdtemp(path.join(images, '.layermover-doctor-'));
    const blocks = await tryFile(scratch);
    if (blocks * 512 < 16e6) return good(what, 'keeps holes, large files and what was synced');
    return finding(
      what,
      'lacking',
      'files have no holes here',
      'sparse images will take their full size; ext4, xfs, btrfs and zfs keep holes',
    );
  } catch (error) {
    const { message } = error as Error;
    return finding(
      what,
      'lacking',
      `a file could not be made, synced and renamed: ${message}`,
      'use a local file system with large files: ext4, xfs, btrfs, zfs',
    );
  } finally {
    if (scratch !== undefined) await rm(scratch, { recursive: true, force: true });
  }
}

/** Gives the blocks of 512 bytes that a file with a hole of 8 GiB takes. */
async function tryFile(scratch: string): Promise<number> {
  const file = await open(path.join(scratch, 'a'), 'wx');
  try {
    await file.write('x', 8 * 2 ** 30);
    await file.sync();
    await rename(path.join(scratch, 'a'), path.join(scratch, 'b'));
    const folder = await open(scratch, 'r');
    await folder.sync().finally(() => folder.close());
    return (await file.stat()).blocks;
  } finally {
    await file.close();
  }
}

const TOLD_MAX = 100;

/** Files that look like disks and are no VMs of an agent here. */
async function passedOver(images: string): Promise<Finding[]> {
  const what = 'left out';
  const found = await leftOut(images).catch(() => undefined);
  if (found === undefined)
    return [
      finding(
        what,
        'lacking',
        `${images} can’t be looked through, or has over ${limits.image_files_max} images`,
        'see image folder',
      ),
    ];
  if (found.length === 0) return [good(what, 'no image')];
  const told = found.slice(0, TOLD_MAX).map((each) => finding(what, 'note', `${each.file}: ${each.why}`, each.hint));
  const more = found.length - told.length;
  return more > 0 ? [...told, finding(what, 'note', `${more} more`, 'mend these, then look again')] : told;
}

/** Catalog and journal: who can write to them decides what arrives here, and they must outlive a reboot. */
async function stateFolder(images: string, state: string): Promise<Finding> {
  const what = 'state folder';
  const found = await stat(state).catch(() => undefined);
  if (found && !found.isDirectory())
    return finding(what, 'lacking', `${state} is no folder`, 'name another one with --state');
  if (found && (found.mode & 0o022) !== 0)
    return finding(what, 'unsafe', `others may write to ${state}`, `chmod go-w ${state}`);
  const type = (await statfs(found ? state : path.dirname(state)).catch(() => statfs(images).catch(() => undefined)))
    ?.type;
  if (type !== undefined && FORGETFUL[type])
    return finding(
      what,
      'unsafe',
      `${state} is on ${FORGETFUL[type]}: what was going on is forgotten when the host stops`,
      'name a folder on a disk with --state',
    );
  return good(what, found ? state : `${state}, which the agent will make`);
}

/** Room for what is on its way here. `arriving` is undefined if that is not known. */
export async function examineRoom(images: string, arriving: number | undefined): Promise<Finding> {
  const what = 'disk space';
  const found = await statfs(images).catch(() => undefined);
  if (found === undefined) return finding(what, 'lacking', 'unknown: no folder', 'see image folder');
  const free = found.bavail * found.bsize;
  if (arriving === undefined)
    return finding(what, 'note', `${bytes(free)} free`, '--host SITE/HOST compares it with what is on its way here');
  const detail = `${bytes(free)} free, ${bytes(arriving)} on the way here`;
  if (free > arriving) return good(what, detail);
  return finding(what, 'lacking', detail, 'make room; a VM that does not fit is rolled back and stays with its source');
}
