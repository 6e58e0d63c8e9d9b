import { setTimeout as sleep } from 'node:timers/promises';
import type { ApiClient } from '../../../adapters/api/client.ts';
import type { PollAnswer } from '../../../core/api/agent.ts';
import type { SurveyedLayer, TaskKind } from '../../../core/api/tasks.ts';

export type HandedOut = PollAnswer['tasks'][number];

const TASK_MS_MAX = 60_000;
const POLL_MS = 250;

/** An agent that does what a test says, so that the test can ask for what no real agent asks for. */
export class PlayedAgent {
  readonly api: ApiClient;
  readonly #params: { readonly site: string; readonly host: string };

  constructor(api: ApiClient, site: string, host: string) {
    this.api = api;
    this.#params = { site, host };
  }

  async enrol(...vms: string[]): Promise<void> {
    const body = { version: '1', vms, free_bytes: 1e12, layers: [] };
    await this.api.call('enrolHost', { params: this.#params, body });
  }

  async poll(): Promise<PollAnswer> {
    const body = { instance: '0'.repeat(32), free_bytes: 1e12, running: [], following: [], awaiting: [] };
    return await this.api.call('poll', { params: this.#params, body });
  }

  /** Polls until a task of this kind is handed out. */
  async task(kind: TaskKind): Promise<HandedOut> {
    const end = performance.now() + TASK_MS_MAX;
    for (;;) {
      const found = (await this.poll()).tasks.find((task) => task.input.kind === kind);
      if (found !== undefined) return found;
      if (performance.now() > end) throw new Error(`no ${kind} was handed out`);
      await sleep(POLL_MS);
    }
  }

  /** Answers a survey of one VM. */
  async survey({ id, attempt }: HandedOut, name: string, layers: SurveyedLayer[]): Promise<void> {
    const result = { kind: 'survey' as const, vms: [{ name, layers }] };
    await this.api.call('reportTask', { params: { task: id }, body: { attempt, outcome: { status: 'done', result } } });
  }
}
