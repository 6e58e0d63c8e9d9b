import type {
  EventSink,
  FingerprintIndex,
  Granter,
  HostRegistry,
  LayerCatalog,
  MigrationStore,
  ObjectJanitor,
  TaskBoard,
  VmRegistry,
  Workflow,
} from '../core/ports.ts';

/** Everything the functions need of a cloud. */
export interface CloudPorts {
  readonly objects: ObjectJanitor;
  readonly index: FingerprintIndex;
  readonly layers: LayerCatalog;
  readonly hosts: HostRegistry;
  readonly vms: VmRegistry;
  readonly migrations: MigrationStore;
  readonly tasks: TaskBoard;
  readonly workflow: Workflow;
  readonly events: EventSink;
  readonly granter: Granter;
}
