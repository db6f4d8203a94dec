/** Health checks without sockets: a workload answers them as it answers requests, unless it says that it is unwell. */
import type { Prober } from '../../proxy/upstream/health-check/prober.ts';
import type { Behaviour, SimulatedWorkload } from './simulated-workload.ts';

export class FakeProber implements Prober {
  readonly #workloadAt: (address: string) => SimulatedWorkload | undefined;

  constructor(workloadAt: (address: string) => SimulatedWorkload | undefined) {
    this.#workloadAt = workloadAt;
  }

  check(endpoint: { readonly address: string }, onResult: (result: 'success' | 'failure' | 'network') => void): void {
    const workload = this.#workloadAt(endpoint.address);
    const behaviour: Behaviour = workload?.behaviour ?? 'answers';
    if (behaviour === 'refuses') onResult('network');
    else if (behaviour !== 'is silent') onResult(workload?.isUnwell === true ? 'failure' : 'success');
  }

  abort(): void {}
}
