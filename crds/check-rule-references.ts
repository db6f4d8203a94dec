/** What a CheckRule refers to, at apply: a provider of authorization, which cannot come later. */
import type { FieldError } from '../proxy/common/decoded.ts';
import { type AuthorizationConfig, authorizationProviders } from './authorization-provider.ts';
import type { CheckRuleSpec } from './check-rule.ts';
import { didYouMean, show } from './findings.ts';

export function authorizationFaults({ provider }: CheckRuleSpec, meshConfig: AuthorizationConfig): FieldError[] {
  const names = authorizationProviders(meshConfig).map(({ name }) => name);
  if (provider === undefined || names.includes(provider)) return [];
  const hint = didYouMean(provider, names) || `, known are ${names.join(', ') || 'none'}`;
  const message = `no provider of authorization ${show(provider)} is in the mesh configuration${hint}`;
  return [{ path: 'spec.provider', message }];
}
