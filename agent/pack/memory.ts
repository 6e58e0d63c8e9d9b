/** Memory for one large buffer; what is never written to takes no room. */
export function largeBuffer(length: number): Uint8Array {
  return Buffer.allocUnsafeSlow(length);
}

/**
 * Gives a buffer's memory back at once. The collector would come to it late, as it sees small objects and not what
 * hangs on them. Nobody may use the buffer, or another view of the same memory, afterwards.
 */
export function freeBuffer({ buffer }: Uint8Array): void {
  // Small buffers of Node share one slab.
  if (buffer instanceof ArrayBuffer && buffer.byteLength > Buffer.poolSize) buffer.transfer(0);
}
