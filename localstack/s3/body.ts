import { createHash } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { decodeAwsChunked } from './aws-chunked.ts';
import { CHECKSUM_HEADER, createHasher, type Hasher, isChecksumValue, isDigest } from './checksums.ts';
import { S3Error } from './errors.ts';
import type { Checksum } from './object-file.ts';
import { headerOf, type S3Request } from './request.ts';

/** What a body turned out to be, all of it verified. */
export interface BodyDigest {
  readonly size: number;
  /** Hex. */
  readonly md5: string;
  readonly checksum: Checksum | undefined;
}

interface Declared {
  readonly size: number;
  readonly isChunked: boolean;
  /** Hex; undefined if the payload is unsigned. */
  readonly sha256: string | undefined;
  /** Base64. */
  readonly contentMd5: string | undefined;
  /** Its value, or undefined if a trailer brings it. */
  readonly checksum: { readonly name: string; readonly base64: string | undefined } | undefined;
}

const STREAMING_TRAILER = 'STREAMING-UNSIGNED-PAYLOAD-TRAILER';

/**
 * The body of a request: decoded, counted, and compared with all that the headers and trailers say of it. Nothing is read,
 * nor `100 Continue` sent, before `chunks` is iterated.
 */
export class RequestBody {
  readonly #request: S3Request;
  readonly #res: ServerResponse;
  readonly #declared: Declared;
  readonly #trailers = new Map<string, string>();
  readonly #md5 = createHash('md5');
  readonly #sha256 = createHash('sha256');
  readonly #checksum: Hasher | undefined;
  #digest: BodyDigest | undefined;

  private constructor(request: S3Request, res: ServerResponse, declared: Declared, checksum: Hasher | undefined) {
    this.#request = request;
    this.#res = res;
    this.#declared = declared;
    this.#checksum = checksum;
  }

  /** Throws S3Error if the headers contradict each other or declare more than `maxBytes`. */
  static async open(request: S3Request, res: ServerResponse, maxBytes: number): Promise<RequestBody> {
    const declared = readDeclared(request);
    if (declared.size > maxBytes) {
      throw new S3Error('EntityTooLarge', undefined, {
        details: { ProposedSize: declared.size, MaxSizeAllowed: maxBytes },
      });
    }
    const { checksum } = declared;
    return new RequestBody(
      request,
      res,
      declared,
      checksum === undefined ? undefined : await createHasher(checksum.name),
    );
  }

  /** True if the client sent something to verify the body against, beside its signature. */
  get hasIntegrityCheck(): boolean {
    return this.#declared.contentMd5 !== undefined || this.#declared.checksum !== undefined;
  }

  /** Declared; `chunks` brings as much or throws. */
  get size(): number {
    return this.#declared.size;
  }

  /** Known once `chunks` has come to its end. */
  get digest(): BodyDigest {
    if (this.#digest === undefined) throw new Error('the body has not been read');
    return this.#digest;
  }

  /** The decoded bytes. Throws S3Error where they differ from what was declared, at the latest after the last of them. */
  async *chunks(): AsyncGenerator<Buffer> {
    const { size, isChunked, sha256 } = this.#declared;
    const raw = this.#rawBytes();
    let got = 0;
    for await (const chunk of isChunked ? decodeAwsChunked(raw, this.#trailers) : raw) {
      got += chunk.length;
      if (got > size) throw new S3Error('IncompleteBody');
      this.#md5.update(chunk);
      if (sha256 !== undefined) this.#sha256.update(chunk);
      this.#checksum?.update(chunk);
      yield chunk;
    }
    if (got !== size) throw new S3Error('IncompleteBody');
    this.#digest = this.#verify();
  }

  #rawBytes(): AsyncIterable<Buffer> {
    const { req } = this.#request;
    if (expectsContinue(req)) this.#res.writeContinue();
    return req.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>;
  }

  #verify(): BodyDigest {
    const { size, sha256, contentMd5 } = this.#declared;
    const md5 = this.#md5.digest();
    if (contentMd5 !== undefined && contentMd5 !== md5.toString('base64')) throw new S3Error('BadDigest');
    if (sha256 !== undefined && sha256 !== this.#sha256.digest('hex')) throw new S3Error('XAmzContentSHA256Mismatch');
    return { size, md5: md5.toString('hex'), checksum: this.#verifyChecksum() };
  }

  #verifyChecksum(): Checksum | undefined {
    const { checksum } = this.#declared;
    if (checksum === undefined || this.#checksum === undefined) return undefined;
    const { name } = checksum;
    const claimed = checksum.base64 ?? this.#trailers.get(`x-amz-checksum-${name}`);
    if (claimed === undefined)
      throw new S3Error('MalformedTrailerError', `the trailer x-amz-checksum-${name} is missing`);
    const base64 = this.#checksum.digest().toString('base64');
    if (claimed === base64) return { name, base64 };
    throw new S3Error('BadDigest', `The ${name.toUpperCase()} you specified did not match the calculated checksum.`);
  }
}

/** True if the client waits for `100 Continue` before it sends the body. */
export function expectsContinue(req: IncomingMessage): boolean {
  return req.headers.expect?.toLowerCase() === '100-continue';
}

function readDeclared(request: S3Request): Declared {
  const payload = headerOf(request, 'x-amz-content-sha256');
  const isChunked = payload === STREAMING_TRAILER;
  const contentMd5 = headerOf(request, 'content-md5');
  if (contentMd5 !== undefined && !isDigest(contentMd5, 16)) throw new S3Error('InvalidDigest');
  return {
    size: readSize(request, isChunked ? 'x-amz-decoded-content-length' : 'content-length'),
    isChunked,
    sha256: payload !== undefined && /^[0-9a-f]{64}$/.test(payload) ? payload : undefined,
    contentMd5,
    checksum: readChecksum(request, isChunked),
  };
}

function readSize(request: S3Request, header: string): number {
  const text = headerOf(request, header);
  if (text === undefined || !/^\d{1,15}$/.test(text)) throw new S3Error('MissingContentLength');
  return Number(text);
}

function readChecksum(request: S3Request, isChunked: boolean): Declared['checksum'] {
  const inHeaders = Object.keys(request.req.headers).filter((name) => CHECKSUM_HEADER.test(name));
  const trailer = isChunked ? headerOf(request, 'x-amz-trailer')?.toLowerCase() : undefined;
  const [header, ...others] = trailer === undefined ? inHeaders : [...inHeaders, trailer];
  if (others.length > 0) throw new S3Error('InvalidRequest', 'Expecting a single x-amz-checksum- header');
  if (header === undefined) return refuseLoneAlgorithm(request);
  const name = CHECKSUM_HEADER.exec(header)?.[1];
  if (name === undefined)
    throw new S3Error('InvalidRequest', `The value specified in x-amz-trailer is not supported: ${header}`);
  const base64 = header === trailer ? undefined : headerOf(request, header);
  if (base64 !== undefined && !isChecksumValue(name, base64)) {
    throw new S3Error('InvalidRequest', `Value for ${header} header is invalid.`);
  }
  return { name, base64 };
}

function refuseLoneAlgorithm(request: S3Request): undefined {
  if (headerOf(request, 'x-amz-sdk-checksum-algorithm') === undefined) return undefined;
  const message =
    'x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer headers';
  throw new S3Error('InvalidRequest', message);
}
