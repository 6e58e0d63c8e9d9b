const Z = 1.96;

/**
 * Between which shares the whole lies in 19 of 20 cases, if `hits` of `count` that were drawn have something.
 * Source: Wilson, "Probable inference, the law of succession, and statistical inference", JASA 1927.
 */
export function shareInterval(hits: number, count: number): { readonly low: number; readonly high: number } {
  if (count === 0) return { low: 0, high: 1 };
  const [share, weight] = [hits / count, Z ** 2 / count];
  const middle = (share + weight / 2) / (1 + weight);
  const half = (Z / (1 + weight)) * Math.sqrt((share * (1 - share)) / count + weight / (4 * count));
  return { low: Math.max(0, middle - half), high: Math.min(1, middle + half) };
}
