/** Canaries of pilot's API as the commands read and steer them. */
import { revisionOf, type CanarySpec, type CanaryStatus } from '../../../crds/canary.ts';
import { findKind, type Kind } from '../../../crds/kinds.ts';
import type { Resource } from '../../../crds/resource.ts';
import { type ApiClient, openApi, statusMessage } from '../api-client.ts';
import type { CommandContext } from '../context.ts';
import { CommandError } from '../exit-code.ts';
import { resourcePath } from '../kind-words.ts';

export type CanaryResource = Resource<CanarySpec>;
export type CanaryAction = NonNullable<CanaryStatus['request']>['action'];

export interface CanaryName {
  readonly namespace: string;
  readonly name: string;
}

/** Others write the status too; whoever comes between five times in a row is no accident. */
const maxAttempts = 5;

export class CanaryApi {
  readonly #client: ApiClient;
  readonly #kind: Kind;

  constructor(options: { readonly server?: string }, context: CommandContext) {
    this.#client = openApi(options, context);
    const kind = findKind('Canary');
    if (kind === undefined) throw new Error('no kind Canary');
    this.#kind = kind;
  }

  async list(namespace: string | undefined): Promise<readonly CanaryResource[]> {
    const list = await this.#client.require('GET', resourcePath({ kind: this.#kind, namespace }));
    return (list as { readonly items: readonly CanaryResource[] }).items;
  }

  async get(place: CanaryName): Promise<CanaryResource> {
    return (await this.#client.require('GET', resourcePath({ kind: this.#kind, ...place }))) as CanaryResource;
  }

  /** Leaves a request for the mixer in the status; CommandError when it would mean nothing. */
  async request(place: CanaryName, action: CanaryAction): Promise<void> {
    for (let attempt = 1; ; attempt += 1) {
      const canary = await this.get(place);
      const fault = requestFault(canary, action);
      if (fault !== undefined) throw new CommandError(`canary ${place.namespace}/${place.name}: ${fault}`);
      const request = { action, at: new Date().toISOString() };
      const status = { ...statusOf(canary), request };
      const path = `${resourcePath({ kind: this.#kind, ...place })}/status`;
      const response = await this.#client.call('PUT', path, { ...canary, status });
      if (response.status < 300) return;
      if (response.status !== 409 || attempt === maxAttempts) throw new CommandError(statusMessage(response));
    }
  }

  close(): Promise<void> {
    return this.#client.close();
  }
}

export function statusOf({ status }: CanaryResource): CanaryStatus {
  return status ?? {};
}

/** Whether the status is about the release that the spec asks for; until then it tells of an earlier one. */
export function isCurrent(canary: CanaryResource): boolean {
  return statusOf(canary).revision === revisionOf(canary.spec);
}

export function pauseOf({ conditions = [] }: CanaryStatus): string | undefined {
  const paused = conditions.find(({ type }) => type === 'Paused');
  return paused?.status === 'True' ? (paused.reason ?? 'Paused') : undefined;
}

function requestFault(canary: CanaryResource, action: CanaryAction): string | undefined {
  const status = statusOf(canary);
  const { phase } = status;
  if (!isCurrent(canary)) return action === 'abort' || action === 'pause' ? undefined : 'the release has not begun yet';
  if (phase === 'Succeeded' || phase === 'Failed') {
    return `the release has ${phase.toLowerCase()}, which is final until spec.revision changes`;
  }
  if (action === 'resume' && pauseOf(status) === undefined) return 'the release is not paused';
  const isAtGate = phase === 'Waiting' || phase === 'WaitingPromotion' || pauseOf(status) === 'Timeout';
  if (action === 'promote' && !isAtGate) return `promote opens a gate, and the release stands at none: it is ${phase}`;
  return undefined;
}
