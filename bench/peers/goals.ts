import type { Finding } from '../finding.ts';
import type { Figures } from './figures.ts';

/** 100 Mbit/s. */
export const SLOW_LINK_BYTES_PER_SECOND = 12_500_000;

/** The product's figures: as fast as it can, and through a slow link. */
export interface Products {
  readonly fast: Figures;
  readonly slow: Figures;
}

/** The product against the best of its peers in the same run, figure by figure. */
export function goals({ fast, slow }: Products, all: readonly Figures[], { isTimed }: { isTimed: boolean }): Finding[] {
  const peers = all.filter(({ isGoal, isProduct }) => isGoal && !isProduct);
  const dedup = peers.filter(({ deduplicates }) => deduplicates);
  const timed = (finding: Finding): Finding => (isTimed ? finding : { ...finding, isMet: true, goal: UNTIMED });
  return [
    against('bytes stored of OS and working environments', 0.94, fast.storedBytes, best(dedup, stored), megabytes),
    timed(against('time to store them', 0.5, fast.ingest.seconds, best(dedup, ingestSeconds), seconds)),
    // How well a slow link is used depends on the processor beside it.
    timed(against('bytes stored of them at 100 Mbit/s', 0.8, slow.storedBytes, best(dedup, stored), megabytes)),
    against('bytes that a VM on known bases adds', 0.95, fast.vmBytes, best(peers, vmBytes), megabytes),
    timed(against('bytes that it adds at 100 Mbit/s', 0.95, slow.vmBytes, best(peers, vmBytes), megabytes)),
    timed(against('time to store it', 0.3, fast.vm.seconds, best(peers, vmSeconds), seconds)),
    timed(against('time to restore it with its bases', 1, fast.restore!.seconds, best(peers, restoreSeconds), seconds)),
  ];
}

/** Of so little, a process takes longest to start, and a level is found when all is sent. */
const UNTIMED = 'none on small images';

type Of = (figures: Figures) => number;

const stored: Of = ({ storedBytes }) => storedBytes;
const vmBytes: Of = (figures) => figures.vmBytes;
const ingestSeconds: Of = ({ ingest }) => ingest.seconds;
const vmSeconds: Of = ({ vm }) => vm.seconds;
const restoreSeconds: Of = ({ restore }) => restore?.seconds ?? Number.POSITIVE_INFINITY;

interface Best {
  readonly name: string;
  readonly value: number;
}

function best(peers: readonly Figures[], of: Of): Best {
  return peers
    .map((figures) => ({ name: figures.name, value: of(figures) }))
    .reduce((least, each) => (each.value < least.value ? each : least));
}

function against(what: string, share: number, product: number, peer: Best, told: (value: number) => string): Finding {
  const ratio = product / peer.value;
  return {
    bench: 'peers',
    what,
    goal: share === 1 ? '≤ the best peer’s' : `≤ ${share.toFixed(2)} × the best peer’s`,
    found: `${ratio.toFixed(2)} × (${told(product)} against ${told(peer.value)}, ${peer.name})`,
    isMet: ratio <= share,
    figures: { ratio, share, product, peer: peer.value },
  };
}

export function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}

function seconds(value: number): string {
  return `${value.toFixed(1)} s`;
}
