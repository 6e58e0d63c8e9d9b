import { VmFiles } from '../../../agent/images/vm-files.ts';
import type { MigrationView } from '../../../core/api/views.ts';
import { hasEnded } from '../../../core/migration.ts';
import { shownBy, type Vm } from '../scenario.ts';
import type { Cloud } from '../world/cloud.ts';
import { type Host, IMAGES, VM_FILES } from '../world/host.ts';
import { isSameShown, readShown } from '../world/images.ts';
import type { Order } from '../world/operator.ts';
import type { SimulatedTime } from '../world/time.ts';
import type { Violations } from './violations.ts';
import type { Committed } from './watch-cloud.ts';
import { type HostWatch, holds } from './watch-host.ts';

export interface End {
  readonly cloud: Cloud;
  readonly hosts: readonly Host[];
  readonly watches: readonly HostWatch[];
  readonly vms: readonly Vm[];
  readonly orders: readonly Order[];
  readonly operator: { readonly ended: readonly MigrationView[] };
  /** Every change of an owner. */
  readonly commits: readonly Committed[];
  readonly violations: Violations;
  readonly time: SimulatedTime;
}

/** How things must be once every order is done and all agents have stopped. */
export async function judgeEnd(end: End): Promise<void> {
  await judgeVms(end);
  await judgeHosts(end);
  await judgeCloud(end);
}

async function judgeVms({ cloud, hosts, vms, orders, operator, violations }: End): Promise<void> {
  for (const vm of vms) {
    const ownership = await cloud.ports.vms.find('default', vm.name);
    const order = orders.findLast((each) => each.vms.includes(vm.name));
    const wasAborted = operator.ended.some((each) => each.state === 'aborted' && each.vm_names.includes(vm.name));
    if (ownership === undefined) {
      if (order !== undefined && !wasAborted) violations.note('owner', `${vm.name} has no owner`);
      continue;
    }
    if (ownership.lease !== undefined)
      violations.note('lease', `${vm.name} is still leased by ${ownership.lease.migration}`);
    const owner = hosts.find(({ ref }) => ref === ownership.owner)!;
    for (const { shown } of vm.disks) {
      if (!(await holds(owner.files, shown, /\.(qcow2|img)$/)))
        violations.note('content', `${vm.name} is not on the disk of ${owner.ref}`);
    }
    if (!(await hasItsDisks(vm, owner)))
      violations.note('disks', `${owner.ref} takes other disks than its own for those of ${vm.name}`);
    if (order !== undefined && ownership.owner !== (order.onward ?? order.to) && !wasAborted)
      violations.note('owner', `${vm.name} did not come to ${order.to}`);
    for (const { top, shown } of vm.disks) {
      const still = await readShown(vm.source.files, IMAGES, top);
      if (!isSameShown(still, shown)) violations.note('sources', `${top} of ${vm.source.ref} has changed`);
    }
  }
}

/** Whether a host has noted a VM of several disks as it is: each disk by its name, with its content. */
async function hasItsDisks({ name, disks }: Vm, { files }: Host): Promise<boolean> {
  if (disks.length === 1) return true;
  const noted = (await VmFiles.open(VM_FILES, IMAGES, files)).all().find((each) => each.name === name);
  if (noted?.disks.length !== disks.length) return false;
  for (const { disk, shown } of disks) {
    const top = noted.disks.find((each) => each.disk === disk)?.top;
    if (top === undefined || !isSameShown(await readShown(files, IMAGES, top), shown)) return false;
  }
  return true;
}

/** Only whole images and settled state: nothing is left of what did not come to its end. */
async function judgeHosts({ hosts, watches, vms, violations }: End): Promise<void> {
  for (const [at, host] of hosts.entries()) {
    const known = shownBy(vms);
    for (const path of host.files.paths(IMAGES)) {
      if (/\.partial$|\.tmp$|\/draft-|\/arrivals\//.test(path)) violations.note('left over', `${host.ref} ${path}`);
      if (!/\.(qcow2|img)$/.test(path) || watches[at]!.own.has(path)) continue;
      if (!(await watches[at]!.isComplete(host.files, path, known)))
        violations.note('content', `${host.ref} ${path} is of no VM`);
    }
  }
}

async function judgeCloud({ cloud, commits, violations }: End): Promise<void> {
  const { migrations, tasks } = cloud.ports;
  for (const { id, state, vmNames } of await migrations.list('default', 1_000)) {
    if (!hasEnded(state)) violations.note('liveness', `${id} is ${state}`);
    for (const { id: task, state: open } of await tasks.ofMigration(id)) {
      if (open !== 'closed') violations.note('tasks', `${task} is ${open}`);
    }
    const vms = await migrations.vms(id);
    for (const vm of vms) {
      const isCommitted = commits.some((each) => each.vm === vm.name && each.migration === id);
      if (vm.state !== (isCommitted ? 'committed' : 'rolled-back'))
        violations.note('vms', `${vm.name} of ${id} is ${vm.state}, ${isCommitted ? 'but' : 'and not'} committed`);
    }
    if (state === 'committed' && vms.length < vmNames.length) violations.note('vms', `${id} lost VMs`);
  }
}
