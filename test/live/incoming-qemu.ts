import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { systemClock } from '../../adapters/system/clock.ts';
import { unixSocket } from '../../adapters/system/unix-socket.ts';
import { connectQmp, type Qmp } from '../../agent/qemu/qmp.ts';
import { PLAIN_DEVICE } from './qemu.ts';

/** A QEMU that awaits a guest on a raw disk. */
export class IncomingQemu {
  readonly qmp: Qmp;
  readonly #end: () => Promise<void>;

  private constructor(qmp: Qmp, end: () => Promise<void>) {
    this.qmp = qmp;
    this.#end = end;
  }

  /** `uri`: where the guest's memory comes; `socket`: of its monitor. */
  static async start(
    disk: string,
    { uri, socket, device = PLAIN_DEVICE }: { uri: string; socket: string; device?: readonly string[] },
  ): Promise<IncomingQemu> {
    const drive = { driver: 'raw', 'node-name': 'disk0', file: { driver: 'file', filename: disk } };
    const machine = ['-machine', 'q35,accel=tcg', '-m', '64', '-nodefaults', '-display', 'none', '-incoming', 'defer'];
    const monitor = ['-qmp', `unix:${socket},server=on,wait=off`];
    const words = [...machine, '-blockdev', JSON.stringify(drive), ...device, ...monitor];
    const child = spawn('qemu-system-x86_64', words, { stdio: ['ignore', 'inherit', 'inherit'] });
    const ended = once(child, 'exit');
    const qmp = await connectQmp(unixSocket(socket), { clock: systemClock, signal: new AbortController().signal });
    const capabilities = ['events', 'pause-before-switchover'].map((capability) => ({ capability, state: true }));
    await qmp.execute('migrate-set-capabilities', { capabilities });
    await qmp.execute('migrate-incoming', { uri });
    return new IncomingQemu(qmp, async () => {
      child.kill('SIGKILL');
      await ended;
    });
  }

  end(): Promise<void> {
    return this.#end();
  }
}
