import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

/** Sends a line to a guest's serial port: it unmounts its disk and ends. `serial` as in linuxArguments. */
export async function endGuest(serial: string): Promise<void> {
  const socket = await say(serial, 'end');
  await once(socket, 'close');
}

/** Sends a line to a guest's serial port. Gives the connection, on which what the guest says is not read. */
export async function say(serial: string, line: string): Promise<Socket> {
  const socket = connect({ path: `${serial}.sock` });
  await once(socket, 'connect');
  socket.resume();
  socket.write(`${line}\n`);
  return socket;
}
