/** Changes of a store in short. */
import type { Change } from '../../crds/config-store.ts';
import { stored } from './support.ts';

export const put = (name: string, spec: unknown = {}, more: object = {}): Change => ({
  op: 'put',
  resource: stored(name, spec),
  ...more,
});
export const keyFor = (name: string): { kind: string; namespace: string; name: string } => ({
  kind: 'VirtualService',
  namespace: 'default',
  name,
});
export const remove = (name: string, more: object = {}): Change => ({ op: 'delete', key: keyFor(name), ...more });
