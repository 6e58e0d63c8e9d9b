import { limits } from '../../core/limits.ts';
import type { ByteStream } from '../../core/stream.ts';
import { refused } from './failure.ts';

const NEWLINE = 0x0a;

/** The lines of a stream, none longer than `limits.qmp_line_bytes_max`. Errors: QMP_REFUSED and those of the stream. */
export async function* linesOf(stream: Pick<ByteStream, 'read'>): AsyncGenerator<string> {
  let parts: Uint8Array[] = [];
  let length = 0;
  for (let bytes = await stream.read(); bytes !== undefined; bytes = await stream.read()) {
    for (let end = bytes.indexOf(NEWLINE); end >= 0; end = bytes.indexOf(NEWLINE)) {
      yield Buffer.concat([...parts, bytes.subarray(0, end)]).toString();
      bytes = bytes.subarray(end + 1);
      parts = [];
      length = 0;
    }
    length += bytes.length;
    if (length > limits.qmp_line_bytes_max) throw refused(`a line of more than ${limits.qmp_line_bytes_max} bytes`);
    // A copy: what is left of a large read must not be held by a few bytes of it, nor be many small parts.
    if (bytes.length > 0) parts.push(Uint8Array.from(bytes));
  }
}
