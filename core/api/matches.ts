import * as z from 'zod';
import { limits } from '../limits.ts';
import { count, digest } from './names.ts';
import { storedLayerView } from './views.ts';

/** Data chunks of a disk, each once, and where they are in it. */
export const matchRequest = z.object({
  chunk_bytes: count,
  sample: z
    .array(z.object({ chunk: count, fingerprint: digest }))
    .min(1)
    .max(limits.sample_chunks_max)
    .refine((sample) => new Set(sample.map(({ chunk }) => chunk)).size === sample.length, 'each chunk once')
    .refine(
      (sample) => segmentsOf(sample) <= limits.sample_segments_max,
      `within ${limits.sample_segments_max} segments of ${limits.segment_chunks} chunks`,
    ),
});
export type MatchRequest = z.infer<typeof matchRequest>;

function segmentsOf(sample: readonly { chunk: number }[]): number {
  return new Set(sample.map(({ chunk }) => Math.floor(chunk / limits.segment_chunks))).size;
}

export const matchAnswer = z.object({
  /** The best first; layers that hold nothing of the sample are not among them. */
  layers: z.array(z.object({ layer: storedLayerView, matched: count.min(1) })),
  /** Layers that were not looked at: of another chunk size, over one that holds less, damaged, or too many. */
  passed_over: count,
});
export type MatchAnswer = z.infer<typeof matchAnswer>;
