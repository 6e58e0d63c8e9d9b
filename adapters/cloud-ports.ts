import type {
  CollectionRuns,
  EventSink,
  FingerprintIndex,
  Granter,
  HostRegistry,
  IdleMarks,
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
  readonly idle: IdleMarks;
  readonly layers: LayerCatalog;
  readonly collections: CollectionRuns;
  readonly hosts: HostRegistry;
  readonly vms: VmRegistry;
  readonly migrations: MigrationStore;
  readonly tasks: TaskBoard;
  readonly workflow: Workflow;
  /** Executions of garbage collection. */
  readonly collector: Pick<Workflow, 'start'>;
  readonly events: EventSink;
  readonly granter: Granter;
}
