import { limits } from './limits.ts';

/**
 * Raw bytes that a pack takes at the most, over a link that carries so many bytes a millisecond, and for a push of
 * `totalBytes`. Packs go from host to host whole: what one takes on the link the destination lags behind, and over links of the
 * same speed never makes up for. So a pack is what the link carries in a moment even if it does not compress, unless the push is
 * so large that the lag is little of its time: then fewer requests count for more (docs/adr/0034-packs-by-link.md).
 */
export function packRawBytes(linkBytesPerMs: number, totalBytes: number): number {
  const least = Math.max(limits.pack_raw_bytes_min, totalBytes / limits.small_packs_max);
  return Math.min(limits.pack_raw_bytes_max, Math.max(least, linkBytesPerMs * limits.pack_link_ms));
}
