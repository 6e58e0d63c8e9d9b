/** Two ways to do the same work, measured in turn so that whatever else the machine does meets both alike. */
export interface Pair {
  readonly product: () => Promise<void>;
  readonly bare: () => Promise<void>;
}

export interface Ratio {
  /** Median of the pairs' ratios: the product's speed as a share of the bare loop's. */
  readonly ratio: number;
  readonly lowest: number;
  readonly highest: number;
  /** The same of processor time: it tells less of the machine's other work, and nothing of cores left idle. */
  readonly cpuRatio: number;
  /** Medians. */
  readonly productMs: number;
  readonly bareMs: number;
}

interface Cost {
  readonly ms: number;
  readonly cpuMs: number;
}

/** Runs both once to warm up, then `pairs` times in turn: A B, B A, A B … */
export async function compare({ product, bare }: Pair, pairs: number): Promise<Ratio> {
  await bare();
  await product();
  const costs: { product: Cost; bare: Cost }[] = [];
  for (let nth = 0; nth < pairs; nth++) {
    const first = await costOf(nth % 2 === 0 ? product : bare);
    const second = await costOf(nth % 2 === 0 ? bare : product);
    costs.push(nth % 2 === 0 ? { product: first, bare: second } : { product: second, bare: first });
  }
  const ratios = costs.map((each) => each.bare.ms / each.product.ms);
  return {
    ratio: median(ratios),
    lowest: Math.min(...ratios),
    highest: Math.max(...ratios),
    cpuRatio: median(costs.map((each) => each.bare.cpuMs / each.product.cpuMs)),
    productMs: median(costs.map((each) => each.product.ms)),
    bareMs: median(costs.map((each) => each.bare.ms)),
  };
}

async function costOf(work: () => Promise<void>): Promise<Cost> {
  const startMs = performance.now();
  const before = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(before);
  return { ms: performance.now() - startMs, cpuMs: (user + system) / 1000 };
}

export function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
