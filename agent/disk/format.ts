import { LayerMoverError } from '../../core/errors.ts';
import { QCOW2_MAGIC } from './header.ts';

export type ImageFormat = 'qcow2' | 'raw';

/** Formats that QEMU recognises by content and that must not be taken for raw disks. */
const FOREIGN: readonly (readonly [name: string, at: number, magic: Buffer])[] = [
  ['vmdk', 0, Buffer.from('KDMV')],
  ['vmdk', 0, Buffer.from('COWD')],
  ['vmdk', 0, Buffer.from('# Disk DescriptorFile')],
  ['vhdx', 0, Buffer.from('vhdxfile')],
  ['vpc', 0, Buffer.from('conectix')],
  ['vdi', 64, Buffer.from([0x7f, 0x10, 0xda, 0xbe])],
  ['qed', 0, Buffer.from('QED\0')],
  ['luks', 0, Buffer.from('LUKS\xba\xbe', 'latin1')],
  ['parallels', 0, Buffer.from('WithoutFreeSpace')],
  ['parallels', 0, Buffer.from('WithouFreSpacExt')],
];

/** Bytes of a file's start that `formatOf` needs. */
export const PROBE_BYTES = 512;

/**
 * The format of the image that starts with `start`: what it was `declared` to be, else what its magic says. An image
 * declared raw is raw whatever a guest wrote into it. Errors: IMAGE_FORMAT_UNSUPPORTED, QCOW2_INVALID.
 */
export function formatOf(path: string, start: Buffer, declared: string | undefined): ImageFormat {
  const qcow2 = start.length >= 8 && start.readUInt32BE(0) === QCOW2_MAGIC;
  if (declared === 'raw') return 'raw';
  if (declared !== undefined && declared !== 'qcow2') throw unsupported(path, declared);
  if (qcow2) return 'qcow2';
  if (declared === 'qcow2') {
    throw new LayerMoverError('QCOW2_INVALID', `${path} was declared to be qcow2 and is not`, {
      hint: 'look at it with qemu-img info; mend the overlay with qemu-img rebase -u -F FORMAT',
      data: { path },
    });
  }
  const foreign = FOREIGN.find(([, at, magic]) => start.subarray(at, at + magic.length).equals(magic));
  if (foreign !== undefined) throw unsupported(path, foreign[0]);
  return 'raw';
}

function unsupported(path: string, format: string): LayerMoverError {
  return new LayerMoverError('IMAGE_FORMAT_UNSUPPORTED', `${path} has the format ${format}`, {
    hint: 'convert it: qemu-img convert -O qcow2',
    data: { path, format },
  });
}
