import type * as z from 'zod';
import { type Problem, problem } from '../../core/api/views.ts';
import { LayerMoverError } from '../../core/errors.ts';
import { limits } from '../../core/limits.ts';

/** The body of an answer; refuses (API_ANSWER_INVALID) more than a function can send. */
export async function readBody(response: Response): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of response.body ?? []) {
    size += part.length;
    if (size > limits.api_answer_bytes_max) throw invalid(`has more than ${limits.api_answer_bytes_max} bytes`);
    parts.push(part);
  }
  return Buffer.concat(parts);
}

/** An answer's JSON in the form that its route promises. Throws API_ANSWER_INVALID. */
export function parseAnswer(schema: z.ZodType, body: Buffer): unknown {
  const parsed = schema.safeParse(json(body));
  if (!parsed.success) throw invalid('is not in the form of the contract', parsed.error);
  return parsed.data;
}

/** The error that an answer tells: problem+json in full, and what a gateway says by itself as well as it can be told. */
export function errorOfAnswer(status: number, body: Buffer): LayerMoverError {
  const told = problem.safeParse(json(body));
  if (told.success) return errorOfProblem(told.data);
  const data = { status, body: body.toString('utf8', 0, limits.notes_characters_max) };
  if (status === 401 || status === 403) {
    return new LayerMoverError('CALLER_REFUSED', `the API refused these credentials (${status})`, {
      hint: 'check the access key, its permissions and this machine’s clock',
      data,
    });
  }
  if (status === 413) return new LayerMoverError('BODY_TOO_LARGE', 'the request is too large for the API', { data });
  if (status === 429) return new LayerMoverError('API_THROTTLED', 'the API is asked too often', { data });
  return new LayerMoverError('API_FAILED', `the API answered ${status}`, { data });
}

/** Of an error that only the functions' logs tell, the request is what to look for there. */
function errorOfProblem({ code, detail, hint, data, instance }: Problem): LayerMoverError {
  const request = code === 'INTERNAL' && instance !== undefined ? { request: instance.split(':').at(-1) } : undefined;
  return new LayerMoverError(code, detail, { hint, data: request ?? data });
}

/** Undefined if it is no JSON: no schema of ours takes that. */
function json(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString());
  } catch {
    return undefined;
  }
}

function invalid(what: string, cause?: unknown): LayerMoverError {
  return new LayerMoverError('API_ANSWER_INVALID', `the API's answer ${what}`, {
    hint: 'is the URL that of a LayerMover API, and of this version?',
    cause,
  });
}
