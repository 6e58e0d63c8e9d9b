import { createHash } from 'node:crypto';
import type { Op } from './flow.ts';

/**
 * Numbers and proofs that an execution draws from its seed: the same in every replay. `label` tells the draws apart.
 */
export function draw(seed: number, label: string): Buffer {
  return createHash('sha256').update(`${seed} ${label}`).digest();
}

/** The token that answers a callback: it says which one, with a proof that this execution gave it out. */
export function mintToken(executionArn: string, op: Op, seed: number): string {
  const proof = draw(seed, `token ${op}`).toString('base64url');
  return Buffer.from(JSON.stringify([executionArn, op, proof])).toString('base64url');
}

/** Which callback of which execution a token says it answers; undefined if it is no token. Minting it again proves it. */
export function readToken(token: string): { executionArn: string; op: Op } | undefined {
  try {
    const [executionArn, op] = JSON.parse(Buffer.from(token, 'base64url').toString()) as unknown[];
    return typeof executionArn === 'string' && Number.isSafeInteger(op) ? { executionArn, op: op as Op } : undefined;
  } catch {
    return undefined;
  }
}
