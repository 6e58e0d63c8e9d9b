import type { QmpSchema } from './schema.ts';

/** What decides how a running VM's disk can be read without danger to its guest. */
export interface DiskSituation {
  /** True if the disk's device runs in an iothread, undefined if that can't be told. */
  readonly iothread: boolean | undefined;
  /** The device's QOM type: virtio-blk-device, scsi-hd, ide-hd … */
  readonly device: string;
  readonly driver: string;
}

/**
 * `pull`: QEMU exports the disk over NBD and we read. `mirror`: QEMU mirrors in the background to a server of ours.
 * `refuse`: neither is safe.
 */
export type Mechanism =
  | { readonly kind: 'pull' }
  | { readonly kind: 'mirror' }
  | { readonly kind: 'refuse'; readonly why: string };

type Can = Pick<QmpSchema, 'hasCommand' | 'hasArgument' | 'hasVariant'>;

/**
 * The table of what was measured (docs/LIVE.md). A QEMU that exports a disk of an iothread aborts, and the guest with it, if
 * the client is gone before the export: such a disk is never exported. Filters and backups into a server that may die
 * endanger the guest, too, and are not in the table.
 */
export function mechanismFor({ iothread, device, driver }: DiskSituation, can: Can): Mechanism {
  if (driver !== 'qcow2' && driver !== 'raw') return refuse(`its top node is a ${driver}, neither qcow2 nor raw`);
  if (iothread === undefined) return refuse(`nobody can tell whether its ${device} runs in an iothread`);
  if (iothread) {
    const lacks = lacking(can, MIRROR);
    return lacks === undefined
      ? { kind: 'mirror' }
      : refuse(`its ${device} runs in an iothread, and QEMU has no ${lacks}`);
  }
  const lacks = lacking(can, PULL);
  return lacks === undefined ? { kind: 'pull' } : refuse(`its QEMU has no ${lacks}`);
}

interface Needs {
  readonly commands: readonly string[];
  readonly args: readonly (readonly [command: string, argument: string])[];
  readonly actions: readonly string[];
}

const PULL: Needs = {
  commands: [
    'nbd-server-start',
    'nbd-server-stop',
    'block-export-del',
    'query-block-exports',
    'block-dirty-bitmap-remove',
    'block-dirty-bitmap-merge',
    'block_set_io_throttle',
    'query-iothreads',
  ],
  args: [
    ['block-export-add', 'allocation-depth'],
    ['block-export-add', 'bitmaps'],
    ['block-export-del', 'mode'],
  ],
  actions: ['block-dirty-bitmap-add', 'block-dirty-bitmap-disable'],
};

const MIRROR: Needs = {
  commands: [
    'blockdev-add',
    'blockdev-del',
    'query-block-jobs',
    'query-named-block-nodes',
    'block_set_io_throttle',
    'query-iothreads',
  ],
  args: [
    ['blockdev-mirror', 'copy-mode'],
    ['blockdev-mirror', 'on-target-error'],
    ['block-job-cancel', 'force'],
  ],
  actions: [],
};

/** The first of what is needed and not there. */
function lacking(can: Can, { commands, args, actions }: Needs): string | undefined {
  return (
    commands.find((command) => !can.hasCommand(command)) ??
    args.filter(([command, argument]) => !can.hasArgument(command, argument)).map((each) => each.join(' '))[0] ??
    actions.find((action) => !can.hasVariant('transaction', 'actions', action))
  );
}

function refuse(why: string): Mechanism {
  return { kind: 'refuse', why };
}
