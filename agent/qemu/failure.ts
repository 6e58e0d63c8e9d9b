import { hasCode, LayerMoverError } from '../../core/errors.ts';

/** No connection to QEMU could be had. */
export function unreachable(what: string, cause?: unknown): LayerMoverError {
  return new LayerMoverError('QMP_UNREACHABLE', `the VM’s QEMU does not answer: ${what}`, {
    hint: 'see that it runs and that nobody else uses its QMP socket: give the agent one of its own, server=on,wait=off',
    cause,
  });
}

/** The connection ended while it was in use. */
export function lost(cause?: unknown): LayerMoverError {
  return new LayerMoverError('QMP_LOST', 'the connection to the VM’s QEMU was lost', {
    hint: 'see whether the VM runs; its QEMU may have ended',
    cause,
  });
}

/** What came is none of QMP, or more of it than is allowed. */
export function refused(what: string, cause?: unknown): LayerMoverError {
  return new LayerMoverError('QMP_REFUSED', `what answers at the VM’s QMP socket is refused: ${what}`, {
    hint: 'see that the socket is a QMP monitor (-qmp), not a human one (-monitor)',
    cause,
  });
}

export function timedOut(command: string, ms: number): LayerMoverError {
  return new LayerMoverError('QMP_TIMEOUT', `the VM’s QEMU did not answer ${command} within ${ms} ms`, {
    hint: 'the VM or its host may be overloaded; nothing was changed that is not undone when it answers again',
    data: { command },
  });
}

/** QEMU refused a command. `class` is QMP's own: GenericError, CommandNotFound, DeviceNotFound … */
export function commandFailed(
  command: string,
  { class: kind, desc }: { class: string; desc: string },
): LayerMoverError {
  return new LayerMoverError('QMP_COMMAND_FAILED', `QEMU refused ${command}: ${desc}`, {
    data: { command, class: kind, desc },
  });
}

/** True if QEMU refused a command with words like these: it has no codes for what they say. */
export function isSaying(error: unknown, words: RegExp): boolean {
  return hasCode(error, 'QMP_COMMAND_FAILED') && words.test(String(error.data?.desc));
}

/** True if QEMU itself is gone, or cannot be asked any more by this connection. */
export function isAway(error: unknown): boolean {
  return hasCode(error, 'QMP_UNREACHABLE', 'QMP_LOST', 'QMP_TIMEOUT');
}
