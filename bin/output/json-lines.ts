import type { RunningVm } from '../../agent/images/running-vms.ts';
import type { CollectionView } from '../../core/api/garbage.ts';
import type { DamagedObject, RebuildCounts, RebuildPhase } from '../../core/api/rebuild.ts';
import type { RegistrationView } from '../../core/api/registrations.ts';
import type {
  HostView,
  LiveView,
  MigrationSummary,
  MigrationView,
  ReceiptsView,
  StoredLayerView,
  VmView,
  WithdrawAnswer,
} from '../../core/api/views.ts';
import type { ErrorJson } from '../../core/errors.ts';
import type { Kind } from '../../core/kinds.ts';
import type { MigrationState } from '../../core/migration.ts';
import type { CloudFile } from '../connection.ts';
import type { hostPolicy } from '../enrol/policy.ts';

/** What each verb says with --json, by `message_type`. docs/COMMAND.md tells which verb says what. */
export interface Messages {
  /** `cloud start`, `agent`: it serves now. */
  ready: { cloud_file: string; api_url: string } | { host: string };
  /** `cloud connect`. */
  connected: { cloud_file: string; api_url: string };
  /** `host enrol`: what the host's role or user must be allowed, and what its agent is started with. */
  enrolled: {
    host: string;
    identity?: string;
    policy: ReturnType<typeof hostPolicy>;
    cloud_file: CloudFile;
    command: string;
  };
  /** `migrate --detach`. */
  requested: { migration: string };
  /** `plan`: what a migration would take. */
  plan: { migration: MigrationView };
  /** How far a migration is; docs of the fields: output/pace.ts. */
  status: {
    migration: string;
    state: MigrationState;
    handled_bytes: number;
    done_bytes: number;
    total_bytes: number;
    wire_bytes: number;
    bytes_per_second?: number;
    seconds_left?: number;
    /** Of running VMs: their rounds so far, and what a cutover now would pause them for. */
    live?: readonly ({ vm: string } & LiveView)[];
  };
  /** The end of a migration that was watched, or of the demo. */
  summary: {
    migration?: string;
    state?: MigrationState;
    vms: readonly (VmView & { equal: boolean })[];
    error?: ErrorJson;
  };
  reclaimed: { migration: string; vm: string; owner: string; epoch: number };
  migration: { migration: MigrationView | MigrationSummary };
  receipts: ReceiptsView;
  /** One layer that was read again. Ids are hex; `expected` is absent if the receipt has no such layer. */
  verified: {
    vm: string;
    name: string;
    expected: string | undefined;
    found: string;
    dataBytes: number;
    /** The first chunk that differs, if the agent keeps the layer’s manifest, as it does of base layers. */
    chunk?: number;
    equal: boolean;
  };
  /** How far `gc` is, and its end. */
  collecting: { collection: CollectionView };
  collected: { collection: CollectionView };
  report: { migration: string; file: string };
  host: { host: HostView };
  /** A running VM that the agent of this host may migrate. */
  vm: { vm: RunningVm };
  layer: { layer: StoredLayerView };
  /** How far a verb is that reads disks of this machine, in bytes of their guests' address space. */
  working: { phase: string; done_bytes: number; total_bytes: number };
  /** `layer derive`: the new file, and what it holds over its base. */
  derived: {
    file: string;
    kind: Kind;
    backing: string;
    depth: number;
    virtual_bytes: number;
    data_bytes: number;
    zero_bytes: number;
    read_bytes: number;
    file_bytes: number;
  };
  /**
   * `layer similarity`, one chunk size: of each layer how many of its data chunks each layer has (`held_by`, in the layers'
   * order), and how many any other one.
   */
  similarity: {
    chunk_bytes: number;
    layers: readonly {
      name: string;
      layer_id: string;
      data_bytes: number;
      chunks: number;
      held_by: readonly number[];
      held_elsewhere: number;
    }[];
    distinct_chunks: number;
    space: { vms: number; flat_bytes: number; two_layers_bytes: number; three_layers_bytes: number };
  };
  picture: { file: string };
  /** `layer suggest`: what holds how much of a disk's sample in its place, the best first; shares are from 0 to 1. */
  suggestion: {
    chunk_bytes: number;
    sampled_chunks: number;
    read_bytes: number;
    candidates: readonly {
      file?: string;
      depth?: number;
      layer_id?: string;
      name?: string;
      holders?: readonly string[];
      matched: number;
      share: number;
      low: number;
      high: number;
    }[];
    passed_over: number;
    /** Makes the layer over the best one; absent if that is not here. */
    command?: string;
  };
  /** How far `layer register` is, and its end. */
  registering: { registration: RegistrationView };
  registered: { registration: RegistrationView };
  /** `layer rm`. */
  withdrawn: WithdrawAnswer & { published: boolean };
  finding: { what: string; verdict: string; detail: string; hint?: string };
  /** The demo's own comparison of a VM, byte by byte. */
  proof: { vm: string; equal: boolean; detail: string };
  /** How far `index rebuild` is, in counts of the whole rebuild. */
  rebuilding: RebuildCounts & { phase: RebuildPhase };
  /** Something that `index rebuild` found to be damaged, or resting on damage. */
  damaged: DamagedObject;
  /** The end of `index rebuild`; `damaged` tells how many there were. */
  rebuilt: RebuildCounts & { damaged: number };
  /** The call failed; the exit code tells how. */
  error: { error: ErrorJson };
}

/** One JSON line on stdout. Every line has a `message_type`; a reader ignores those it does not know. */
export function jsonLine<T extends keyof Messages>(messageType: T, body: Messages[T]): void {
  process.stdout.write(`${JSON.stringify({ message_type: messageType, ...body })}\n`);
}
