import type { Dice } from './dice.ts';
import type { Rates } from './faults.ts';
import { currentInvocation } from './invocation.ts';
import type { SimulatedTime } from './time.ts';

type Method = (...args: never[]) => Promise<unknown>;

interface Trouble {
  readonly rates: () => Rates;
  readonly dice: Dice;
  readonly time: SimulatedTime;
}

/**
 * A port of the cloud as functions call it: it may be slow, fail before or after it has taken effect, and the function
 * that calls it may die there.
 */
export function faulty<Port extends object>(port: Port, name: string, { rates, dice, time }: Trouble): Port {
  const wrap = (method: Method, called: string): Method => {
    return async (...args) => {
      const { functionKill, portFails, portFailsAfter, portWaits } = rates();
      const invocation = currentInvocation();
      const dies = invocation !== undefined && dice.chance(functionKill);
      if (dies) invocation.kill();
      if (invocation?.dead) return await new Promise<never>(() => undefined);
      if (dice.chance(portWaits)) await time.sleep(dice.scale(1, 3_000));
      if (dice.chance(portFails)) throw new Error(`${called} failed`);
      const answer = await method.apply(port, args);
      if (dice.chance(portFailsAfter)) throw new Error(`${called} failed, but was done`);
      return invocation?.dead ? await new Promise<never>(() => undefined) : answer;
    };
  };
  const methods = Object.entries(port).map(([key, value]) =>
    typeof value === 'function' ? [key, wrap(value as Method, `${name}.${key}`)] : [key, value],
  );
  return Object.fromEntries(methods) as Port;
}

/** A board whose lists lag behind what was written, as those of a table's secondary index do. */
export function lagging<Board extends { open(namespace: string, host: never): Promise<unknown> }>(
  board: Board,
  { rates, dice }: Trouble,
): Board {
  const before = new Map<string, unknown>();
  return {
    ...board,
    async open(namespace: string, host: never) {
      const key = `${namespace} ${host}`;
      if (before.has(key) && dice.chance(rates().stale)) return before.get(key);
      const now = await board.open(namespace, host);
      before.set(key, now);
      return now;
    },
  };
}
