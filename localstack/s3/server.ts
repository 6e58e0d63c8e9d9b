import { randomBytes } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { CreatedObject } from '../events/sources.ts';
import type { AccessKey, KeyStore } from '../identity/keys.ts';
import { verifySigV4 } from '../identity/sigv4.ts';
import { expectsContinue } from './body.ts';
import { type Call, may } from './call.ts';
import { S3Error } from './errors.ts';
import { S3_LIMITS } from './limits.ts';
import { findOperation } from './operations.ts';
import { headerOf, parseRequest, type S3Request } from './request.ts';
import { Store } from './store.ts';

export interface S3Options {
  /** The folder that holds the objects; one process at a time. */
  readonly dir: string;
  /** The buckets that there are. */
  readonly buckets: readonly string[];
  readonly keys: KeyStore;
  readonly clock: { nowMs(): number };
  readonly region: string;
  /** Hears of each object once it is durable and visible. */
  readonly onCreated?: (object: CreatedObject) => void;
}

export interface S3 {
  /**
   * Answers a path-style request; never rejects. To be given both `request` and `checkContinue` of the HTTP server: without
   * the second, Node asks for every body before it is known whether it is wanted.
   */
  handle(req: IncomingMessage, res: ServerResponse): Promise<void>;
  /** Cuts the requests under way, whose uploads leave nothing behind, and refuses later ones. */
  close(): Promise<void>;
}

/** A file-backed S3: what is there survives a restart, what was half uploaded does not. Throws TypeError for a bucket's name. */
export function createS3(options: S3Options): S3 {
  const store = new Store(options.dir, options.buckets);
  const running = new Map<IncomingMessage, Promise<void>>();
  let isClosed = false;
  return {
    handle(req, res) {
      const done = answer(req, res, isClosed ? refuseAll : (request) => serve(request, res, store, options));
      running.set(req, done);
      return done.finally(() => running.delete(req));
    },
    async close() {
      isClosed = true;
      for (const req of running.keys()) req.socket.destroy();
      await Promise.all(running.values());
    },
  };
}

async function refuseAll(): Promise<void> {
  throw new S3Error('ServiceUnavailable');
}

async function serve(request: S3Request, res: ServerResponse, store: Store, options: S3Options): Promise<void> {
  const caller = authenticate(request, options);
  const operation = findOperation(request);
  const bucket = store.bucket(request.bucket);
  if (bucket === undefined) throw noSuchBucket(request);
  const { clock, region, onCreated = () => undefined } = options;
  const call: Call = { request, res, caller, bucket, store, clock, region, onCreated };
  if (operation.action !== undefined && !may(call, operation.action)) throw new S3Error('AccessDenied');
  await operation.run(call);
}

function authenticate(request: S3Request, { keys, clock, region }: S3Options): AccessKey {
  const { method, url: rawPath = '', headers } = request.req;
  const payloadHash = headerOf(request, 'x-amz-content-sha256');
  if (headers.authorization !== undefined && payloadHash === undefined) {
    throw new S3Error('InvalidRequest', 'Missing required header for this request: x-amz-content-sha256');
  }
  const signed = { method: method ?? '', rawPath, headers };
  const expected = { keys, service: 's3', region, nowMs: clock.nowMs(), payloadHash: payloadHash ?? '' };
  const verdict = verifySigV4(signed, expected);
  if ('error' in verdict) throw new S3Error(verdict.error, verdict.error.message);
  return verdict.key;
}

function noSuchBucket({ method, key, bucket }: S3Request): S3Error {
  if (method === 'PUT' && key === '') return new S3Error('TooManyBuckets');
  return new S3Error('NoSuchBucket', undefined, { details: { BucketName: bucket } });
}

async function answer(
  req: IncomingMessage,
  res: ServerResponse,
  run: (request: S3Request) => Promise<void>,
): Promise<void> {
  const requestId = randomBytes(8).toString('hex').toUpperCase();
  res.setHeader('x-amz-request-id', requestId);
  try {
    await run(parseRequest(req));
  } catch (error) {
    if (res.headersSent || req.socket.destroyed) req.socket.destroy();
    else refuse(req, res, error, requestId);
  }
}

/** Sends the refusal and gets rid of a body that is still on its way. */
function refuse(req: IncomingMessage, res: ServerResponse, cause: unknown, requestId: string): void {
  const error = cause instanceof S3Error ? cause : new S3Error('InternalError', String(cause), { cause });
  const hasBody = req.method !== 'HEAD' && error.status !== 304;
  const body = Buffer.from(hasBody ? error.toXml((req.url ?? '').split('?', 1)[0] ?? '', requestId) : '');
  const isHeldBack = expectsContinue(req);
  res.writeHead(error.status, {
    ...error.headers,
    ...(hasBody ? { 'content-type': 'application/xml', 'content-length': body.length } : {}),
    ...(isHeldBack ? { connection: 'close' } : {}),
  });
  if (req.complete || isHeldBack) res.end(body);
  else answerWhileDraining(req, res, body);
}

/** Lets a client that is still sending come to read the answer, but not for ever: to end it would cut the connection. */
function answerWhileDraining(req: IncomingMessage, res: ServerResponse, body: Buffer): void {
  let left: number = S3_LIMITS.maxDrainBytes;
  if (body.length > 0) res.write(body);
  req.on('data', (chunk: Buffer) => {
    left -= chunk.length;
    if (left < 0) req.socket.destroy();
  });
  req.on('end', () => res.end());
}
