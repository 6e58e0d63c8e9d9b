/** Collects a body of a known length into one buffer, without a second copy. Throws `wrong()` if it has another length. */
export async function collect(body: AsyncIterable<Uint8Array>, length: number, wrong: () => Error): Promise<Buffer> {
  const bytes = Buffer.allocUnsafeSlow(length);
  let at = 0;
  for await (const part of body) {
    if (at + part.length > length) throw wrong();
    bytes.set(part, at);
    at += part.length;
  }
  if (at < length) throw wrong();
  return bytes;
}
