import { xml, xmlDocument } from '../identity/xml.ts';

const ERRORS = {
  AccessDenied: [403, 'Access Denied'],
  BadDigest: [400, 'The Content-MD5 or checksum value that you specified did not match what the server received.'],
  BucketAlreadyOwnedByYou: [409, 'The bucket that you tried to create already exists, and you own it.'],
  EntityTooLarge: [400, 'Your proposed upload exceeds the maximum allowed object size.'],
  EntityTooSmall: [400, 'Your proposed upload is smaller than the minimum allowed object size.'],
  IncompleteBody: [400, 'You did not provide the number of bytes specified by the Content-Length HTTP header.'],
  /** S3 on Outposts says this; S3 itself is never full. */
  InsufficientCapacity: [507, 'There is not enough room to store the object.'],
  InternalError: [500, 'An internal error occurred. Try again.'],
  InvalidArgument: [400, 'Invalid Argument'],
  InvalidBucketName: [400, 'The specified bucket is not valid.'],
  InvalidChunkSizeError: [403, 'Only the last chunk is allowed to have a size less than 8192 bytes'],
  InvalidDigest: [400, 'The Content-MD5 or checksum value that you specified is not valid.'],
  InvalidPart: [400, 'One or more of the specified parts could not be found, or its entity tag did not match.'],
  InvalidPartOrder: [400, 'The list of parts was not in ascending order.'],
  InvalidRange: [416, 'The requested range is not satisfiable'],
  InvalidRequest: [400, 'Invalid Request'],
  InvalidURI: [400, "Couldn't parse the specified URI."],
  KeyTooLongError: [400, 'Your key is too long.'],
  MalformedTrailerError: [400, 'The request contained trailing data that was not well-formed.'],
  MalformedXML: [400, 'The XML that you provided was not well-formed or did not validate against our schema.'],
  MetadataTooLarge: [400, 'Your metadata headers exceed the maximum allowed metadata size.'],
  MissingContentLength: [411, 'You must provide the Content-Length HTTP header.'],
  NoSuchBucket: [404, 'The specified bucket does not exist.'],
  NoSuchKey: [404, 'The specified key does not exist.'],
  NoSuchUpload: [404, 'The specified multipart upload does not exist.'],
  NotImplemented: [501, 'A header or query parameter that you provided implies functionality that is not implemented.'],
  NotModified: [304, 'Not Modified'],
  PreconditionFailed: [412, 'At least one of the pre-conditions you specified did not hold.'],
  ServiceUnavailable: [503, 'The service is shutting down.'],
  TooManyBuckets: [400, 'This cloud has the buckets that its stack declares, and no others.'],
  XAmzContentSHA256Mismatch: [400, "The provided 'x-amz-content-sha256' header does not match what was computed."],
} as const satisfies Record<string, readonly [status: number, message: string]>;

export type S3Code = keyof typeof ERRORS;

/** A refusal in S3's words. `details` become elements of the error's XML, `headers` go with the answer. */
export class S3Error extends Error {
  override readonly name = 'S3Error';
  readonly code: string;
  readonly status: number;
  readonly details: Readonly<Record<string, string | number>>;
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    code: S3Code | { code: string; status: number },
    message?: string,
    more: { details?: Record<string, string | number>; headers?: Record<string, string>; cause?: unknown } = {},
  ) {
    const known = typeof code === 'string' ? { code, status: ERRORS[code][0], message: ERRORS[code][1] } : code;
    super(message ?? ('message' in known ? known.message : known.code), { cause: more.cause });
    this.code = known.code;
    this.status = known.status;
    this.details = more.details ?? {};
    this.headers = more.headers ?? {};
  }

  toXml(resource: string, requestId: string): string {
    const details = Object.entries(this.details).map(([name, value]) => xml(name, value));
    const fixed = [xml('Resource', resource), xml('RequestId', requestId)];
    return xmlDocument(xml('Error', [xml('Code', this.code), xml('Message', this.message), ...details, ...fixed]));
  }
}
