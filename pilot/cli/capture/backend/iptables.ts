/**
 * Rules as scripts for `iptables-restore` and `ip6tables-restore`, of either kind (nf_tables, legacy). They stand in chains
 * of their own that the built-in ones jump to; other people's rules are not touched. A table is replaced in one transaction.
 */
import { existsSync } from 'node:fs';
import { call, isInstalled } from '../program.ts';
import type { Chain, Condition, Rule, Statement, Table } from '../rules.ts';
import type { Backend, Script } from './backend.ts';

type Family = 'ip' | 'ip6';

const programs = {
  ip: { save: 'iptables-save', restore: 'iptables-restore' },
  ip6: { save: 'ip6tables-save', restore: 'ip6tables-restore' },
} as const;

/** In the order in which packets pass them. */
const tables: readonly Table[] = ['raw', 'mangle', 'nat'];

export const iptables: Backend = {
  name: 'iptables',
  isInstalled: () => isInstalled('iptables-restore'),
  isInForce: () => families().some((family) => ownChains(readSaved(family)).length > 0),
  capture: (chains) => scripts((family, saved) => formatTables(chains, family, saved)),
  release: () => scripts((family, saved) => formatTables([], family, saved)),
};

/** A kernel can be without IPv6. */
function families(): readonly Family[] {
  return existsSync('/proc/sys/net/ipv6') ? ['ip', 'ip6'] : ['ip'];
}

/** Who may not read the rules sees none: what is printed then is what is done where nothing is in force. */
function readSaved(family: Family): string {
  const { status, stdout } = call(programs[family].save, []);
  return status === 0 ? stdout : '';
}

function scripts(format: (family: Family, saved: string) => string): readonly Script[] {
  return families().flatMap((family) => {
    const text = format(family, readSaved(family));
    if (text === '') return [];
    return [{ program: programs[family].restore, args: ['--noflush'], checkFlag: '--test', text }];
  });
}

interface SavedChain {
  readonly table: string;
  readonly name: string;
  /** What leads to it. */
  readonly jumps: readonly string[];
}

/** Those of an earlier run, out of the output of `iptables-save`. */
function ownChains(saved: string): readonly SavedChain[] {
  return saved.split(/^(?=\*)/m).flatMap((section) => {
    const table = /^\*(\w+)$/m.exec(section)?.[1] ?? '';
    return [...section.matchAll(/^:(HEDDLE_\S+) /gm)].map(([, name = '']) => {
      const jumps = [...section.matchAll(/^-A ((?:PREROUTING|OUTPUT) .*)$/gm)].map(([, jump = '']) => jump);
      return { table, name, jumps: jumps.filter((jump) => jump.endsWith(`-j ${name}`)) };
    });
  });
}

/** The input of `iptables-restore` that leaves these chains, and none of an earlier run. */
export function formatTables(chains: readonly Chain[], family: Family, saved: string): string {
  const earlier = ownChains(saved);
  return tables
    .map((table) => {
      const lines = [
        ...earlier.filter((chain) => chain.table === table).flatMap(formatRemoval),
        ...chains.filter((chain) => chain.table === table).flatMap((chain) => formatChain(chain, family)),
      ];
      return lines.length === 0 ? '' : `*${table}\n${lines.join('\n')}\nCOMMIT\n`;
    })
    .join('');
}

function formatRemoval({ name, jumps }: SavedChain): readonly string[] {
  return [...jumps.map((jump) => `-D ${jump}`), `-F ${name}`, `-X ${name}`];
}

function formatChain({ name, hook, rules }: Chain, family: Family): readonly string[] {
  const own = `HEDDLE_${name.replaceAll('-', '_').toUpperCase()}`;
  return [
    `-N ${own}`,
    ...rules.flatMap((rule) => formatRule(rule, family)).map((rule) => `-A ${own} ${rule}`),
    `-A ${hook.toUpperCase()} -j ${own}`,
  ];
}

/** A condition has one value here: every combination of values becomes a rule. */
function formatRule({ comment, conditions, statement }: Rule, family: Family): readonly string[] {
  const isOfFamily = statement.kind !== 'tproxy' || statement.family === family;
  if (!isOfFamily || conditions.some(({ field }) => /^ip6? /.test(field) && !field.startsWith(`${family} `))) return [];
  let matches: readonly string[] = protocolOf(conditions);
  for (const condition of conditions) {
    const words = formatCondition(condition);
    matches = matches.flatMap((match) => words.map((word) => `${match}${word}`));
  }
  return matches.flatMap((match) =>
    formatStatement(statement).map((target) => `${match}-m comment --comment ${JSON.stringify(comment)} ${target}`),
  );
}

/** Ports are matched only beside the protocol, which may be named once. */
function protocolOf(conditions: readonly Condition[]): readonly string[] {
  for (const { field, values } of conditions) {
    const protocol = field === 'meta l4proto' ? values[0] : /^(?:tcp|udp)(?= )/.exec(field)?.[0];
    if (protocol !== undefined) return [`-p ${protocol} `];
  }
  return [''];
}

const options: Readonly<Record<string, string>> = {
  'tcp dport': '--dport',
  'udp dport': '--dport',
  'udp sport': '--sport',
  iifname: '-i',
  oifname: '-o',
  'ip saddr': '-s',
  'ip daddr': '-d',
  'ip6 saddr': '-s',
  'ip6 daddr': '-d',
  'meta skuid': '-m owner --uid-owner',
  'meta skgid': '-m owner --gid-owner',
  'meta mark': '-m mark --mark',
  'ct mark': '-m connmark --mark',
};

function formatCondition({ field, isNegated = false, values }: Condition): readonly string[] {
  if (field === 'meta l4proto') return [''];
  const option = options[field];
  if (option === undefined) throw new Error(`iptables: no option for "${field}"`);
  const words = isNegated ? option.replace(/(--?[a-z-]+)$/, '! $1') : option;
  return values.map((value) => `${words} ${value} `);
}

/** Targets after which the chain goes on are followed by one that ends it, where the rule is the packet's last. */
function formatStatement(statement: Statement): readonly string[] {
  switch (statement.kind) {
    case 'return':
      return ['-j RETURN'];
    case 'redirect':
      return [`-j REDIRECT --to-ports ${statement.port}`];
    case 'tproxy':
      return formatTproxy(statement);
    case 'set mark':
      return [`-j MARK --set-mark ${statement.mark}`];
    case 'save mark':
      return ['-j CONNMARK --save-mark', '-j RETURN'];
    case 'restore mark':
      return ['-j CONNMARK --restore-mark'];
    case 'set zone':
      return [`-j CT --zone ${statement.zone}`, '-j RETURN'];
  }
}

/** TPROXY drops packets of connections that others have, where nft's passes them by: it gets to see new ones only. */
function formatTproxy({ port, mark }: Extract<Statement, { kind: 'tproxy' }>): readonly string[] {
  const ofProxy = '-m socket --transparent';
  return [
    `${ofProxy} -j MARK --set-mark ${mark}`,
    `${ofProxy} -j ACCEPT`,
    `-m conntrack --ctstate NEW -j TPROXY --on-port ${port} --tproxy-mark ${mark}`,
  ];
}
