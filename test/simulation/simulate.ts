import './world/small-limits.ts';
import type { Files } from '../../core/files.ts';
import { judgeEnd } from './judge/end.ts';
import { Violations } from './judge/violations.ts';
import { type Committed, watchCloud } from './judge/watch-cloud.ts';
import { HostWatch, holds } from './judge/watch-host.ts';
import { drawHosts, drawOrders, drawVms, mostlyDedup, secondAct, shownBy, type Vm } from './scenario.ts';
import { createSimulatedClient } from './world/client.ts';
import { Cloud, type Ports } from './world/cloud.ts';
import { Collector } from './world/collector.ts';
import { Dice } from './world/dice.ts';
import { EventLog } from './world/event-log.ts';
import { drawPlan, NO_FAULTS, type Plan } from './world/faults.ts';
import { Host } from './world/host.ts';
import { Network } from './world/network.ts';
import { Operator, type Order } from './world/operator.ts';
import { SimulatedTime } from './world/time.ts';

export interface Simulated {
  readonly seed: number;
  /** Equal for equal runs. */
  readonly digest: string;
  readonly steps: number;
  readonly simulatedMs: number;
  readonly violations: readonly string[];
  /** Migrations by how they ended. */
  readonly ended: readonly string[];
  /** All that happened, if it was asked for. */
  readonly lines: readonly string[] | undefined;
}

export interface Options {
  readonly keepLog?: boolean;
  /** Breaks the cloud's ports, or the hosts' files, on purpose. */
  readonly breakPorts?: (ports: Ports) => Ports;
  readonly breakFiles?: (files: Files) => Files;
}

/** Once faults have ended every migration must come to its end within this time. */
const PATIENCE_MS = 6 * 3_600_000;
/** Garbage is collected within this time of an act's begin. */
const COLLECTING_MS = 60_000;
/** What agents do on their own once all is done and all are up: settle files, end what they hold. */
const AFTER_MS = 40_000;

/** Plays one seed: a few hosts, VMs and migrations, and the faults that strike them. */
export async function simulate(seed: number, options: Options = {}): Promise<Simulated> {
  const dice = new Dice(`seed ${seed}`);
  const time = new SimulatedTime();
  const log = new EventLog(() => time.sinceStartMs, options.keepLog ?? false);
  const violations = new Violations();
  const names = drawHosts(dice.fork('hosts'));
  const plan = drawPlan(dice.fork('plan'), names.length);
  let calmMs = plan.calmMs;
  /** When the faults of the present act end, as its orders were made. */
  let stormMs = plan.calmMs;
  const rates = () => (time.sinceStartMs < calmMs ? plan.rates : NO_FAULTS);
  const committed: Committed[] = [];
  const commits: Committed[] = [];
  const watch = (ports: Ports) =>
    (options.breakPorts ?? same)(
      watchCloud(ports, violations, (each) => {
        commits.push(each);
        committed.push(each);
      }),
    );
  const cloud = new Cloud({ time, dice: dice.fork('cloud'), rates, log, between: watch });
  const { operator, collector } = usersOf({ cloud, time, dice: dice.fork('user'), rates, log, calmMs: () => stormMs });
  const watches = names.map(({ site, host }) => new HostWatch(`${site}/${host}`, violations));
  const hosts = names.map(({ site, host }, at) => {
    const { onFile, onCall: check } = watches[at]!;
    const onCall: typeof check = (name, body) => {
      check(name, body);
      operator.onCall(name, body);
      collector.onCall(name);
    };
    const deaths = plan.deaths.filter((death) => death.host === at);
    const between = options.breakFiles ?? same;
    return new Host({
      site,
      host,
      time,
      dice: dice.fork(host),
      rates,
      log,
      cloud,
      calmMs: () => calmMs,
      deaths,
      onFile,
      onCall,
      between,
    });
  });
  const vms = await drawVms(dice.fork('vms'), hosts);
  let isSecondAct = !dice.fork('acts').chance(0.6);
  const drawn = drawOrders(dice.fork('orders'), hosts, vms, plan.calmMs);
  // What is deduplicated stays in the store: the second act will find it there.
  const orders = isSecondAct ? drawn : drawn.map((order) => mostlyDedup(dice, order));
  for (const [at, host] of hosts.entries()) {
    for (const path of host.files.paths('/images')) if (/\.(qcow2|img)$/.test(path)) watches[at]!.own.add(path);
    await host.files.makeFolder('/proc');
    await (await host.files.open('/proc/locks', 'create')).sync();
    await host.files.syncFolder('/proc');
    watches[at]!.isOpen = true;
    host.start();
  }
  strike(plan, hosts, time, () => time.sinceStartMs < calmMs);
  let left = 0;
  const ask = (asked: readonly Order[]) => {
    left += asked.length;
    for (const order of asked) {
      operator.see(order).then(
        () => left--,
        (error: Error) => violations.note('liveness', error.message),
      );
    }
  };
  ask(orders);
  collector.strike(COLLECTING_MS);
  const beginSecondAct = async () => {
    isSecondAct = true;
    const act = await secondAct({ dice: dice.fork('second act'), time, cloud, hosts, vms });
    calmMs = act.calmMs;
    stormMs = act.calmMs;
    orders.push(...act.orders);
    ask(act.orders);
    collector.strike(COLLECTING_MS);
  };

  let steps = 0;
  let doneMs = Number.POSITIVE_INFINITY;
  while (violations.found.length === 0) {
    const what = await time.step();
    steps++;
    await judgeStep({ committed, vms, hosts, watches, violations });
    const now = time.sinceStartMs;
    if (left === 0 && !isSecondAct && hosts.every((host) => host.isUp)) await beginSecondAct();
    if (left === 0 && isSecondAct && doneMs === Number.POSITIVE_INFINITY) {
      doneMs = now;
      calmMs = Math.min(calmMs, now);
      for (const host of hosts) host.calm();
    }
    if (left === 0 && isSecondAct && hosts.some((host) => !host.isUp)) doneMs = now;
    if (what === undefined || now > doneMs + AFTER_MS) break;
    if (left > 0 && now > stormMs + PATIENCE_MS) violations.note('liveness', `${left} orders are not done`);
  }
  if (violations.found.length === 0) {
    await stopAll(hosts, time);
    await judgeEnd({ cloud, hosts, vms, orders, watches, operator, commits, violations, time });
  }
  const ended = operator.ended.map(({ state }) => state);
  log.note(`ends: ${violations.found.join('; ')}`);
  return {
    seed,
    digest: log.digest(),
    steps,
    simulatedMs: time.sinceStartMs,
    violations: violations.found,
    ended,
    lines: log.lines,
  };
}

function same<T>(thing: T): T {
  return thing;
}

/** Sets up what strikes hosts as a whole. */
function strike(plan: Plan, hosts: readonly Host[], time: SimulatedTime, isStormy: () => boolean): void {
  const at = (ms: number, action: () => void) => void time.schedule(ms, action, 'fault');
  for (const { host, fromMs, toMs } of plan.full) {
    at(fromMs, () => (hosts[host]!.files.full = isStormy()));
    at(toMs, () => (hosts[host]!.files.full = false));
  }
  for (const { host, fromMs, toMs } of plan.cutOff) {
    at(fromMs, () => (hosts[host]!.network.cutOff = isStormy()));
    at(toMs, () => (hosts[host]!.network.cutOff = false));
  }
  for (const { host, atMs, byMs } of plan.jumps) at(atMs, () => (hosts[host]!.skewMs += byMs));
}

function usersOf(
  world: Omit<ConstructorParameters<typeof Operator>[0], 'api'> & { cloud: Cloud; rates: () => Plan['rates'] },
) {
  const { cloud, time, dice, rates, log, calmMs } = world;
  const network = new Network({ time, dice, rates, log, of: 'user' });
  const random = { bytes: (count: number) => dice.bytes(count) };
  const api = createSimulatedClient({ caller: 'user', cloud, network, clock: time.clock(() => 0), random });
  return {
    operator: new Operator({ api, time, dice, log, calmMs }),
    collector: new Collector({ api, time, dice: dice.fork('collector'), log }),
  };
}

interface Judged {
  readonly committed: Committed[];
  readonly vms: readonly Vm[];
  readonly hosts: readonly Host[];
  readonly watches: readonly HostWatch[];
  readonly violations: Violations;
}

/** What changed hands must be on its new owner's disk for sure; what has its name must be complete. */
async function judgeStep({ committed, vms, hosts, watches, violations }: Judged): Promise<void> {
  for (const { vm, to } of committed.splice(0)) {
    const { disks } = vms.find(({ name }) => name === vm)!;
    const disk = hosts.find(({ ref }) => ref === to)!.files.asOnDisk();
    for (const { shown } of disks) {
      if (!(await holds(disk, shown)))
        violations.note('commit', `${vm} was committed, but is not on the disk of ${to}`);
    }
  }
  for (const [at, watch] of watches.entries()) {
    for (const path of watch.named.splice(0)) {
      if (!(await watch.isComplete(hosts[at]!.files, path, shownBy(vms))))
        violations.note('names', `${path} has its name, but is not complete`);
    }
  }
}

async function stopAll(hosts: readonly Host[], time: SimulatedTime): Promise<void> {
  let stopping = hosts.length;
  for (const host of hosts) void host.stop().then(() => stopping--);
  while (stopping > 0 && (await time.step()) !== undefined);
}
