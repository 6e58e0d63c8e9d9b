/** What a CDK app of your own takes: `import { LayerMover } from 'layermover'` (docs/DEPLOY.md). */
export type { Bundles } from './bundles.ts';
export { ControlPlane, type ControlPlaneProps, type ControlPlaneSettings } from './control-plane.ts';
export { MoverFunction } from './function.ts';
export { LayerMover, type LayerMoverProps } from './layer-mover.ts';
export { Operations, type OperationsProps } from './operations/operations.ts';
export { Requests } from './requests.ts';
export type { ScheduledRequest } from './schedules.ts';
export { Storage, type StorageProps } from './storage.ts';
