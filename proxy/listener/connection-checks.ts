/**
 * Envoy's `envoy.filters.network.rbac`: which connections of a filter chain are served. Unlike in Envoy, which waits for
 * the first byte of the client, a server that speaks first is not heard by whom the rules deny.
 */
import type { CidrRange } from '../api/listener.ts';
import type { NetworkRbacConfig, RbacCondition, RbacRules } from '../api/rbac.ts';
import type { Clock } from '../common/clock.ts';
import type { StatsStore } from '../common/stats.ts';
import { AddressSet } from '../filter/address-set.ts';
import { ended, RbacEngine, type SubjectView } from '../filter/rbac-engine.ts';
import type { ConnectionFacts } from './filter-chain-match.ts';

type Predicate = (facts: ConnectionFacts) => boolean;

interface Dependencies {
  readonly clock: Clock;
  readonly stats: StatsStore;
}

interface CompiledChecks {
  readonly rules: RbacEngine<ConnectionFacts> | undefined;
  readonly shadowRules: RbacEngine<ConnectionFacts> | undefined;
}

export class ConnectionChecks {
  readonly #filters: readonly CompiledChecks[];

  constructor(configs: readonly NetworkRbacConfig[], { clock, stats }: Dependencies) {
    const view: SubjectView<ConnectionFacts> = { someOf, startTimeMs: () => clock.nowMs() };
    this.#filters = configs.map((config) => {
      const prefix = `${ended(config.statPrefix)}rbac.`;
      const compile = (
        rules: RbacRules | undefined,
        statPrefix: string,
        shadow: '' | 'shadow_',
      ): RbacEngine<ConnectionFacts> | undefined =>
        rules &&
        new RbacEngine(rules, view, { stats, statPrefix, shadow, metadataPrefix: shadow, tracksPolicies: false });
      return {
        rules: compile(config.rules, prefix, ''),
        shadowRules: compile(config.shadowRules, `${prefix}${config.shadowRulesStatPrefix}`, 'shadow_'),
      };
    });
  }

  /** Why the connection is not served, in Envoy's words; undefined: it is. */
  denialOf(facts: ConnectionFacts): string | undefined {
    for (const { rules, shadowRules } of this.#filters) {
      shadowRules?.judge(facts);
      const denial = rules?.judge(facts).denial;
      if (denial !== undefined) return denial.details;
    }
    return undefined;
  }
}

/** One of several; many addresses are looked up, not gone through. */
function someOf(conditions: readonly RbacCondition[]): Predicate {
  const sources: CidrRange[] = [];
  const others: Predicate[] = [];
  for (const condition of conditions) {
    if (condition.kind === 'direct_remote_ip' || condition.kind === 'remote_ip') sources.push(condition.range);
    else others.push(compile(condition));
  }
  const set = new AddressSet(sources);
  return (facts) => set.hasAddress(facts.sourceAddress) || others.some((holds) => holds(facts));
}

function compile(condition: RbacCondition): Predicate {
  switch (condition.kind) {
    case 'any':
      return () => true;
    case 'and': {
      const all = condition.conditions.map(compile);
      return (facts) => all.every((holds) => holds(facts));
    }
    case 'or':
      return someOf(condition.conditions);
    case 'not': {
      const holds = compile(condition.condition);
      return (facts) => !holds(facts);
    }
    case 'destination_port':
      return ({ destinationPort }) => destinationPort === condition.port;
    case 'destination_ip': {
      const set = new AddressSet([condition.range]);
      return ({ destinationAddress }) => set.hasAddress(destinationAddress);
    }
    case 'direct_remote_ip':
    case 'remote_ip':
      // Nobody tells of another client than the one that connected.
      return someOf([condition]);
    case 'header':
    case 'url_path':
      return () => false;
  }
}
