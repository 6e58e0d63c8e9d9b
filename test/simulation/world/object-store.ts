import type { GrantedObjectStore, GrantedStoreOptions } from '../../../adapters/aws/object-store.ts';
import { final, retry } from '../../../adapters/retry.ts';
import { LayerMoverError } from '../../../core/errors.ts';
import { limits } from '../../../core/limits.ts';
import type { Grant } from '../../../core/ports.ts';
import type { Cloud } from './cloud.ts';
import type { Dice } from './dice.ts';
import type { Rates } from './faults.ts';
import type { Life } from './life.ts';
import type { Network } from './network.ts';
import type { SimulatedTime } from './time.ts';

interface StoreOptions extends GrantedStoreOptions {
  readonly cloud: Cloud;
  readonly network: Network;
  readonly life: Life;
  readonly time: SimulatedTime;
  readonly dice: Dice;
  readonly rates: () => Rates;
}

/** The object store with the rights of one task: uploads die half-way and leave nothing, or are done and not told. */
export function createSimulatedStore({
  renew,
  cloud,
  network,
  life,
  time,
  dice,
  rates,
  ...options
}: StoreOptions): GrantedObjectStore {
  const { objects, granter } = cloud.ports;
  let granted: Promise<Grant> | undefined;

  function grant(): Promise<Grant> {
    granted ??= renew().catch((error) => {
      granted = undefined;
      throw error;
    });
    return granted;
  }

  async function assertGranted(kind: 'read' | 'write', key: string): Promise<void> {
    const { accessKeyId } = (await grant()).credentials;
    const rights = granter.granted[Number(accessKeyId.slice('GRANT'.length))]!;
    if (rights[kind].some((prefix) => key.startsWith(prefix))) return;
    throw new LayerMoverError('OBJECT_REFUSED', `no right to ${kind} ${key}`, { data: { key } });
  }

  async function attempt<T>(kind: 'read' | 'write', key: string, work: () => Promise<T>): Promise<T> {
    await assertGranted(kind, key);
    const failed = () => new LayerMoverError('OBJECT_STORE_FAILED', `could not ${kind} ${key}`);
    const once = async () => {
      const { storeFails, storeFailsAfter } = rates();
      const { era } = cloud;
      const answer = await network
        .exchange(kind, async () => {
          await time.sleep(dice.scale(1, 400));
          if (dice.chance(storeFails) || cloud.era !== era) return { broken: true };
          const done = await work().then(
            (value) => ({ value }),
            (error) => ({ error }),
          );
          return dice.chance(storeFailsAfter) ? { broken: true } : done;
        })
        .catch(() => ({ broken: true }));
      if ('value' in answer) return answer.value as T;
      throw 'error' in answer ? final(answer.error as Error) : failed();
    };
    return await life.through(`${kind} object`, () => retry(once, { ...policy, signal: options.signal }));
  }

  const policy = {
    clock: options.clock,
    random: options.random,
    attempts: limits.agent_retry_attempts_max,
    firstMs: limits.agent_retry_first_ms,
    maxMs: limits.agent_retry_ms_max,
  };
  return {
    put: (key, parts) => {
      const bytes = parts.map((part) => Buffer.from(part));
      return attempt('write', key, () => objects.put(key, bytes));
    },
    get: (key, part) => attempt('read', key, () => objects.get(key, part)),
    tail: (key, bytes) => attempt('read', key, () => objects.tail(key, bytes)),
    close: () => undefined,
  };
}
