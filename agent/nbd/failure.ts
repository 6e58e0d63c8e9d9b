import { LayerMoverError } from '../../core/errors.ts';

/** What came is not what the NBD protocol allows here, or more than is allowed. */
export function refused(what: string): LayerMoverError {
  return new LayerMoverError('NBD_REFUSED', `the server of the disk’s blocks is refused: ${what}`, {
    hint: 'see that nothing but the VM’s QEMU serves at that socket',
  });
}

/** What connects to a server of ours is not a client, or asks for more than is allowed. */
export function clientRefused(what: string): LayerMoverError {
  return new LayerMoverError('NBD_CLIENT_REFUSED', `what writes a disk’s blocks to the agent is refused: ${what}`, {
    hint: 'see that nothing but the VM’s QEMU connects to that socket',
  });
}

/** The connection ended, or never began. */
export function lost(cause?: unknown): LayerMoverError {
  return new LayerMoverError('NBD_LOST', 'the connection to the server of the disk’s blocks was lost', {
    hint: 'see whether the VM runs; its QEMU may have ended',
    cause,
  });
}

export function silent(ms: number): LayerMoverError {
  return new LayerMoverError('NBD_TIMEOUT', `the server of the disk’s blocks said nothing for ${ms} ms`, {
    hint: 'the VM or its host may be overloaded, or its disk hangs',
  });
}

/** The server refused an option: what it says is its own. */
export function optionRefused(option: string, code: number, said: string): LayerMoverError {
  return new LayerMoverError('NBD_OPTION_REFUSED', `the server of the disk’s blocks refused ${option}: ${said}`, {
    data: { option, code, said },
  });
}

/** A request failed at the server; `errno` is NBD's, which are Linux's. */
export function requestFailed(what: string, errno: number, said: string): LayerMoverError {
  return new LayerMoverError(
    'NBD_ERROR',
    `the VM’s QEMU could not do a ${what}: error ${errno}${said && `, ${said}`}`,
    {
      hint: 'see whether the VM’s disk has errors',
      data: { what, errno, said },
    },
  );
}
