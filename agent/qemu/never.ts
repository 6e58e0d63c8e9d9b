import { LayerMoverError } from '../../core/errors.ts';

type Args = Readonly<Record<string, unknown>>;

/** What no part of the agent ever asks of a QEMU, as it was seen to end guests or to stall them, and why. */
const NEVER: Readonly<Record<string, (args: Args) => string | undefined>> = {
  'qom-set': () => 'QEMU aborts if a drive is set to the value that it has',
  migrate: ({ blk, inc }) => (blk || inc ? 'disks do not go with the RAM: QEMU took that out' : undefined),
  'block-export-del': ({ mode }) => (mode === 'hard' ? undefined : 'an export goes before its clients, by mode hard'),
  'blockdev-backup': () => 'the guest gets errors if the other end of a backup dies',
  'drive-backup': () => 'the guest gets errors if the other end of a backup dies',
  'blockdev-mirror': (args) =>
    isHarmlessMirror(args) ? undefined : 'a mirror runs in the background, and waits after errors',
  'drive-mirror': () => 'a mirror goes to a server of ours',
  'block-job-complete': () => 'the guest would go over to the copy',
  'job-complete': () => 'the guest would go over to the copy',
  'human-monitor-command': () => 'nothing checks what a human command does',
  transaction: ({ actions }) => {
    const types = Array.isArray(actions) ? actions.map((each: { type?: unknown }) => each.type) : [];
    const other = types.find((type) => !String(type).startsWith('block-dirty-bitmap-'));
    return other === undefined ? undefined : `${other} has no place in a transaction of ours`;
  },
};

/** The guest waits for a mirror that blocks writes; a job that ends by itself may end QEMU while a guest is being stopped. */
function isHarmlessMirror(args: Args): boolean {
  const isAlone = args['on-source-error'] === 'stop' && args['on-target-error'] === 'stop';
  return args['copy-mode'] === 'background' && isAlone;
}

/** Errors: QMP_NEVER. */
export function assertHarmless(command: string, args: Args): void {
  const why = NEVER[command]?.(args);
  if (why === undefined) return;
  throw new LayerMoverError('QMP_NEVER', `the agent never asks a QEMU for ${command}: ${why}`, {
    hint: 'this is a defect of LayerMover: please report it',
    data: { command },
  });
}
