import { extname } from 'node:path';
import { LayerMoverError } from '../../core/errors.ts';
import { QCOW2_MAGIC } from './header-start.ts';

export type ImageFormat = 'qcow2' | 'raw';

/** Formats that QEMU recognises by content and that must not be taken for raw disks. */
const FOREIGN: readonly (readonly [name: string, at: number, magic: Buffer])[] = [
  ['vmdk', 0, Buffer.from('KDMV')],
  ['vmdk', 0, Buffer.from('COWD')],
  ['vhdx', 0, Buffer.from('vhdxfile')],
  ['vpc', 0, Buffer.from('conectix')],
  ['vdi', 64, Buffer.from([0x7f, 0x10, 0xda, 0xbe])],
  ['qed', 0, Buffer.from('QED\0')],
  ['luks', 0, Buffer.from('LUKS\xba\xbe', 'latin1')],
  ['parallels', 0, Buffer.from('WithoutFreeSpace')],
  ['parallels', 0, Buffer.from('WithouFreSpacExt')],
  ['bochs', 0, Buffer.from('Bochs Virtual HD Image')],
  ['cloop', 0, Buffer.from('#!/bin/sh\n#V2.0 Format\nmodprobe cloop')],
];

/** Comments and blank lines, then a version: the text that describes a disk in other files. */
const VMDK_DESCRIPTOR = /^(?:#[^\n]*\n| *\r?\n)*version=[123]/;

/** Bytes of a file's start that `formatOf` needs. */
export const PROBE_BYTES = 512;

/**
 * The format of the image that starts with `start`: what it was `declared` to be, else what its magic says. An image
 * declared raw is raw whatever a guest wrote into it; one that is only called so must be what it is called, as QEMU
 * goes by the content. Errors: IMAGE_FORMAT_UNSUPPORTED, IMAGE_FORMAT_AMBIGUOUS, QCOW2_INVALID.
 */
export function formatOf(path: string, start: Buffer, declared: string | undefined): ImageFormat {
  if (declared === 'raw') return 'raw';
  if (declared !== undefined && declared !== 'qcow2') throw unsupported(path, declared);
  const qcow2 = startsAsQcow2(start);
  if (declared === undefined && extname(path) === (qcow2 ? '.raw' : '.qcow2')) throw ambiguous(path, qcow2);
  if (qcow2) return 'qcow2';
  if (declared === 'qcow2') {
    throw new LayerMoverError('QCOW2_INVALID', `${path} was declared to be qcow2 and is not`, {
      hint: 'look at it with qemu-img info; mend the overlay with qemu-img rebase -u -F FORMAT',
      data: { path },
    });
  }
  const foreign = foreignFormat(path, start);
  if (foreign !== undefined) throw unsupported(path, foreign);
  return 'raw';
}

export function startsAsQcow2(start: Buffer): boolean {
  return start.length >= 8 && start.readUInt32BE(0) === QCOW2_MAGIC;
}

function foreignFormat(path: string, start: Buffer): string | undefined {
  const found = FOREIGN.find(([, at, magic]) => start.subarray(at, at + magic.length).equals(magic));
  if (found !== undefined) return found[0];
  if (VMDK_DESCRIPTOR.test(start.toString('latin1'))) return 'vmdk';
  return extname(path) === '.dmg' ? 'dmg' : undefined;
}

function ambiguous(path: string, isQcow2: boolean): LayerMoverError {
  const [what, hint] = isQcow2
    ? ['is called raw and has the content of a qcow2 image', 'rename it if it is one; its guest may have written that']
    : ['is called qcow2 and is none', 'restore it from a copy; rename it if it is a raw disk'];
  return new LayerMoverError('IMAGE_FORMAT_AMBIGUOUS', `${path} ${what}`, { hint, data: { path } });
}

function unsupported(path: string, format: string): LayerMoverError {
  return new LayerMoverError('IMAGE_FORMAT_UNSUPPORTED', `${path} has the format ${format}`, {
    hint: 'convert it: qemu-img convert -O qcow2',
    data: { path, format },
  });
}
