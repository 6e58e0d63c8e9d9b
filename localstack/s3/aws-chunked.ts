import { S3Error } from './errors.ts';
import { S3_LIMITS } from './limits.ts';

const CHUNK_SIZE = /^[0-9a-fA-F]{1,12}$/;
const TRAILER = /^([a-z0-9-]+):(.*)$/i;

/**
 * Decodes an `aws-chunked` body without chunk signatures: `<hex size> CRLF bytes CRLF` … `0 CRLF`, trailer lines, an
 * empty line. Trailers are put into `trailers` by lower-case name. Throws S3Error for any other framing.
 */
export async function* decodeAwsChunked(
  source: AsyncIterable<Buffer>,
  trailers: Map<string, string>,
): AsyncGenerator<Buffer> {
  const framing = new Framing(trailers);
  for await (const block of source) {
    let at = 0;
    while (at < block.length) {
      const data = framing.takeData(block, at);
      if (data !== undefined) yield data;
      at += data?.length ?? framing.takeLine(block, at);
    }
  }
  framing.checkDone();
}

type State = 'size' | 'data' | 'dataEnd' | 'trailer' | 'done';

class Framing {
  readonly #trailers: Map<string, string>;
  #state: State = 'size';
  #line = '';
  #chunkBytes = Number.POSITIVE_INFINITY;
  #left = 0;

  constructor(trailers: Map<string, string>) {
    this.#trailers = trailers;
  }

  /** What of the block belongs to the current chunk; undefined between chunks. */
  takeData(block: Buffer, at: number): Buffer | undefined {
    if (this.#state !== 'data') return undefined;
    const data = block.subarray(at, at + this.#left);
    this.#left -= data.length;
    if (this.#left === 0) this.#state = 'dataEnd';
    return data;
  }

  /** Takes a framing line, or what there is of it; the number of bytes taken. */
  takeLine(block: Buffer, at: number): number {
    if (this.#state === 'done') throw new S3Error('MalformedTrailerError', 'bytes after the last trailer');
    const newline = block.indexOf('\n', at);
    const end = newline < 0 ? block.length : newline + 1;
    if (this.#line.length + end - at > S3_LIMITS.maxChunkLineBytes) throw incomplete('a framing line is too long');
    this.#line += block.toString('latin1', at, end);
    if (newline >= 0) {
      if (!this.#line.endsWith('\r\n')) throw incomplete('a framing line does not end in CR LF');
      this.#onLine(this.#line.slice(0, -2));
      this.#line = '';
    }
    return end - at;
  }

  checkDone(): void {
    if (this.#state !== 'done') throw incomplete('the body ended before its last chunk and trailers');
  }

  #onLine(line: string): void {
    if (this.#state === 'size') this.#onSize(line);
    else if (this.#state === 'dataEnd') this.#onDataEnd(line);
    else this.#onTrailer(line);
  }

  #onSize(line: string): void {
    if (!CHUNK_SIZE.test(line)) throw incomplete('a chunk size is not a hexadecimal number');
    const bytes = Number.parseInt(line, 16);
    if (bytes > 0 && this.#chunkBytes < S3_LIMITS.minChunkBytes) throw new S3Error('InvalidChunkSizeError');
    this.#chunkBytes = bytes;
    this.#left = bytes;
    this.#state = bytes === 0 ? 'trailer' : 'data';
  }

  #onDataEnd(line: string): void {
    if (line !== '') throw incomplete('a chunk is longer than its size');
    this.#state = 'size';
  }

  #onTrailer(line: string): void {
    if (line === '') {
      this.#state = 'done';
      return;
    }
    const [, name, value] = TRAILER.exec(line) ?? [];
    if (name === undefined || value === undefined || this.#trailers.size >= S3_LIMITS.maxTrailers) {
      throw new S3Error('MalformedTrailerError');
    }
    this.#trailers.set(name.toLowerCase(), value.trim());
  }
}

function incomplete(why: string): S3Error {
  return new S3Error('IncompleteBody', `The request body is not well-formed aws-chunked: ${why}`);
}
