import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

/** A whole request body and its SHA-256 in hex. */
export interface Body {
  readonly bytes: Buffer;
  readonly sha256: string;
}

/**
 * Reads a body of at most `maxBytes`. A longer one yields undefined; what is left of it is read and dropped, so that the
 * client gets its answer instead of a reset connection.
 */
export async function readBody(req: IncomingMessage, maxBytes: number): Promise<Body | undefined> {
  const hash = createHash('sha256');
  let chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of req as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > maxBytes) {
      chunks = [];
      continue;
    }
    hash.update(chunk);
    chunks.push(chunk);
  }
  return length > maxBytes ? undefined : { bytes: Buffer.concat(chunks), sha256: hash.digest('hex') };
}
