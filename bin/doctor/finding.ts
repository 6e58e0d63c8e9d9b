/** `note` is worth knowing and nothing to mend. */
export const VERDICTS = ['good', 'note', 'lacking', 'unsafe'] as const;
export type Verdict = (typeof VERDICTS)[number];

export interface Finding {
  readonly what: string;
  readonly verdict: Verdict;
  readonly detail: string;
  /** How to mend it. */
  readonly hint?: string;
}

export function good(what: string, detail: string): Finding {
  return { what, verdict: 'good', detail };
}

export function finding(what: string, verdict: Exclude<Verdict, 'good'>, detail: string, hint: string): Finding {
  return { what, verdict, detail, hint };
}
