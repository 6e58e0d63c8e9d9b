import { once } from 'node:events';
import { connect } from 'node:net';

/** Sends a line to a guest's serial port: it unmounts its disk and ends. `serial` as in linuxArguments. */
export async function endGuest(serial: string): Promise<void> {
  const socket = connect({ path: `${serial}.sock` });
  await once(socket, 'connect');
  socket.resume();
  socket.write('end\n');
  await once(socket, 'close');
}
