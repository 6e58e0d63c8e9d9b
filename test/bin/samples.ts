import type { LayerView, MigrationView, ReceiptsView, VmView } from '../../core/api/views.ts';
import { contentDigest, type Receipt } from '../../core/receipt.ts';

/** Migrations as the API tells of them. */
export const ID = 'm0123456789abcdef0123';
const NOW_MS = Date.UTC(2026, 2, 1, 13, 5, 9);
const MB = 1_000_000;
const id = (digit: string): string => digit.repeat(64);

export function layer(change: Partial<LayerView> = {}): LayerView {
  return {
    stream: id('a'),
    kind: 'os',
    name: 'os.qcow2',
    layer_id: id('a'),
    treatment: 'dedup',
    reason: 'base layer: others share its chunks',
    shared: false,
    stored: false,
    virtual_bytes: 300 * MB,
    logical_bytes: 100 * MB,
    wire_bytes: 20 * MB,
    stored_bytes: 20 * MB,
    deduped_bytes: 40 * MB,
    pulled_bytes: 20 * MB,
    local_bytes: 0,
    handled_bytes: 100 * MB,
    done_bytes: 100 * MB,
    total_bytes: 100 * MB,
    seconds: 2.5,
    ...change,
  };
}

export const SENT_NOTHING = {
  wire_bytes: 0,
  stored_bytes: 0,
  deduped_bytes: 0,
  pulled_bytes: 0,
  local_bytes: 0,
  handled_bytes: 0,
};
export const NOT_MOVED = { ...SENT_NOTHING, done_bytes: 0, total_bytes: 0, seconds: 0 };

export function vm(change: Partial<VmView> = {}): VmView {
  const layers = change.layers ?? [layer()];
  const sum = (key: 'logical_bytes' | 'wire_bytes' | 'stored_bytes') =>
    layers.reduce((all, each) => all + each[key], 0);
  return {
    name: 'web-1',
    source: 'a/h1',
    state: 'committed',
    equal: true,
    logical_bytes: sum('logical_bytes'),
    wire_bytes: sum('wire_bytes'),
    stored_bytes: sum('stored_bytes'),
    seconds: 5.9,
    layers,
    ...change,
  };
}

export function migration(change: Partial<MigrationView> = {}): MigrationView {
  const vms = change.vms ?? [vm()];
  return {
    id: ID,
    state: 'committed',
    to: 'b/h2',
    policy: 'auto',
    mode: 'cold',
    run: 1,
    created_ms: NOW_MS - 8_000,
    updated_ms: NOW_MS,
    ended_ms: NOW_MS,
    abort_requested: false,
    vm_names: vms.map((each) => each.name),
    vms,
    ...change,
  };
}

/** A running VM that was slowed down in its second round, and cut over. */
export function live(change: Partial<MigrationView> = {}, state: VmView['state'] = 'committed'): MigrationView {
  const round = {
    round: 0,
    dirty_bytes: 30 * MB,
    sent_bytes: 20 * MB,
    milliseconds: 3_000,
    remaining_bytes: 9 * MB,
    guest_write_bytes_per_second: 4 * MB,
    link_bytes_per_second: 7 * MB,
  };
  const slowed = { ...round, round: 1, dirty_bytes: 9 * MB, sent_bytes: 6 * MB, remaining_bytes: MB };
  const rounds = [round, { ...slowed, throttle_bytes_per_second: 5 * MB }];
  const blackout = { total_ms: 84, storage_ms: 51, last_bytes: MB };
  const now = { predicted_blackout_ms: 160, throttle_bytes_per_second: 5 * MB, reason: 'the pause is short enough' };
  const options = { cutover: 'ram', max_downtime_ms: 300, on_no_convergence: 'throttle' } as const;
  const moved = state === 'committed' ? { blackout } : {};
  return migration({
    mode: 'live',
    live: options,
    max_rate_bytes_per_second: 100 * MB,
    vms: [vm({ state, live: { rounds, ...now, ...moved } })],
    ...change,
  });
}

/** Two VMs over one OS layer: skip, dedup, stored and direct in one. */
export function gang(): MigrationView {
  const os = layer({ stream: id('a'), treatment: 'skip', reason: 'the destination has this layer', ...NOT_MOVED });
  const we = { stream: id('b'), kind: 'we', name: 'we-web.qcow2', layer_id: id('b'), logical_bytes: 60 * MB } as const;
  const ud = { kind: 'ud', treatment: 'direct', reason: 'user data: unique', logical_bytes: 30 * MB } as const;
  const moved = { handled_bytes: 30 * MB, done_bytes: 30 * MB, total_bytes: 30 * MB, deduped_bytes: 0 };
  const web = (name: string, shared: boolean, digit: string): VmView =>
    vm({
      name,
      layers: [
        { ...os, shared: false },
        layer({
          ...we,
          ...(shared ? NOT_MOVED : {}),
          shared,
          deduped_bytes: shared ? 0 : 25 * MB,
          wire_bytes: shared ? 0 : 12 * MB,
        }),
        layer({
          ...ud,
          ...moved,
          stream: `ud:${name}`,
          name: `${name}.qcow2`,
          layer_id: id(digit),
          wire_bytes: 22 * MB,
        }),
      ],
    });
  return migration({ vms: [web('web-1', false, 'c'), web('web-2', true, 'd')] });
}

export function receipt(side: Receipt['side'], of: VmView, change: Partial<Receipt> = {}): Receipt {
  const layers = of.layers.map((each) => ({
    name: each.name,
    layerId: each.layer_id ?? id('e'),
    virtualBytes: each.virtual_bytes,
    evidence: 'read' as const,
  }));
  return { vm: of.name, migration: ID, side, chunkBytes: 65_536, layers, atMs: NOW_MS, ...change };
}

/** Receipts of both sides that agree. */
export function receiptsOf({ vms }: MigrationView): ReceiptsView {
  const proofs = vms.map((each) => {
    const source = receipt('source', each);
    const plain = (side: Receipt) => ({ ...side, layers: [...side.layers] });
    const destination = receipt('destination', each);
    return {
      vm: each.name,
      agree: true,
      content_digest: contentDigest(source),
      source: plain(source),
      destination: plain(destination),
    };
  });
  return { migration: ID, vms: proofs };
}
