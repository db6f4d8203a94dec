/** What the workloads of a simulation do with requests, and with checks of their health. */
import { MeshError } from '../../proxy/common/errors.ts';
import { HeaderName } from '../../proxy/http/header-name.ts';
import type { Prober } from '../../proxy/upstream/health-check/prober.ts';
import type { Host } from '../../proxy/upstream/host.ts';
import type { Answer } from '../../pilot/cli/offline/offline-upstream.ts';
import type { SimulatedWorkload } from './simulated-workload.ts';

const immediateFailure = new HeaderName('x-envoy-immediate-health-check-fail');

export class SimulatedApplication {
  readonly #workloadAt: (address: string) => SimulatedWorkload | undefined;
  readonly #answers = new WeakMap<Host, number>();

  constructor(workloadAt: (address: string) => SimulatedWorkload | undefined) {
    this.#workloadAt = workloadAt;
  }

  /** What is no workload of ours, an endpoint that a ServiceEntry lists for instance, answers. */
  answer(host: Host): Answer | undefined {
    const { behaviour = 'answers', latencyMs = 0 } = this.#workloadAt(host.address) ?? {};
    if (behaviour === 'is silent') return undefined;
    if (behaviour === 'refuses') {
      const error = new MeshError('connect_failure', `connecting to ${host.address} failed (ECONNREFUSED)`);
      return { kind: 'reset', error };
    }
    const answers = (this.#answers.get(host) ?? 0) + 1;
    this.#answers.set(host, answers);
    if (behaviour === 'fails every other') return { kind: 'response', status: answers % 2 === 0 ? 500 : 200 };
    if (behaviour === 'is overloaded') return { kind: 'response', status: 429 };
    if (behaviour === 'is going down') return { kind: 'response', status: 200, headers: [[immediateFailure, 'true']] };
    return { kind: 'response', status: 200, latencyMs };
  }

  /** Checks are answered as requests are, unless the workload says that it is unwell. */
  createProber(): Prober {
    return {
      check: ({ address }, onResult) => {
        const { behaviour = 'answers', isUnwell = false } = this.#workloadAt(address) ?? {};
        if (behaviour === 'refuses') onResult('network');
        else if (behaviour !== 'is silent') onResult(isUnwell ? 'failure' : 'success');
      },
      abort: () => {},
    };
  }
}
