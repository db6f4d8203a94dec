/** Rules as a script for `nft --file`. One table holds all of them: it is replaced and removed in one transaction. */
import { call, isInstalled } from '../program.ts';
import type { Chain, Condition, Rule, Statement } from '../rules.ts';
import type { Backend, Script } from './backend.ts';

/** Family and name. */
const table = 'inet heddle';

/** Removes the table, whether there is one or not. */
const removal = `table ${table} {}\ndelete table ${table}\n`;

export const nftables: Backend = {
  name: 'nftables',
  isInstalled: () => isInstalled('nft'),
  isInForce,
  // Between the removal of the old table and the new one no packet sees half of the rules: it is one transaction.
  capture: (chains) => [toScript(`${removal}table ${table} {\n${chains.map(formatChain).join('\n')}}\n`)],
  release: () => [toScript(removal)],
};

function isInForce(): boolean {
  return call('nft', ['list', 'table', ...table.split(' ')]).status === 0;
}

function toScript(text: string): Script {
  return { program: 'nft', args: ['--file', '-'], checkFlag: '--check', text };
}

/** The priorities of iptables' tables. A chain of type route: a packet whose mark changes is routed once more. */
function formatHook({ table, hook }: Chain): string {
  if (table === 'nat') return `type nat hook ${hook} priority -100`;
  if (table === 'raw') return `type filter hook ${hook} priority -300`;
  return `type ${hook === 'output' ? 'route' : 'filter'} hook ${hook} priority -150`;
}

function formatChain(chain: Chain): string {
  const rules = chain.rules.map(formatRule).join('');
  return `  chain ${chain.name} {\n    ${formatHook(chain)}; policy accept;\n${rules}  }\n`;
}

function formatRule({ comment, conditions, statement }: Rule): string {
  const words = [...conditions.map(formatCondition), formatStatement(statement)];
  return `    ${words.join(' ')} comment ${JSON.stringify(comment)}\n`;
}

function formatCondition({ field, isNegated = false, values }: Condition): string {
  const words = values.map((value) => (field.endsWith('ifname') ? JSON.stringify(value) : String(value)));
  const set = words.length === 1 ? (words[0] ?? '') : `{ ${words.join(', ')} }`;
  return `${field} ${isNegated ? '!= ' : ''}${set}`;
}

function formatStatement(statement: Statement): string {
  switch (statement.kind) {
    case 'return':
      return 'return';
    case 'redirect':
      return `redirect to :${statement.port}`;
    case 'tproxy':
      return `tproxy ${statement.family} to :${statement.port} meta mark set ${statement.mark} accept`;
    case 'set mark':
      return `meta mark set ${statement.mark}`;
    case 'save mark':
      return 'ct mark set mark return';
    case 'restore mark':
      return 'meta mark set ct mark';
    case 'set zone':
      return `ct zone set ${statement.zone} return`;
  }
}
