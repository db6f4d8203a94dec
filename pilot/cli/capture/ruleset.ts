/** Rules as a script for `nft -f`. One table holds all of them: it is replaced and removed in one transaction. */
import type { Chain, Condition, Rule } from './rules.ts';

/** Family and name. */
export const table = 'inet heddle';

/** Removes the table, whether there is one or not. */
export const removalScript = `table ${table} {}\ndelete table ${table}\n`;

/** Replaces what an earlier run has left: between the two no packet sees half of the rules. */
export function formatRuleset(chains: readonly Chain[]): string {
  return `${removalScript}table ${table} {\n${chains.map(formatChain).join('\n')}}\n`;
}

function formatChain({ name, hook, rules }: Chain): string {
  return `  chain ${name} {\n    ${hook}; policy accept;\n${rules.map(formatRule).join('')}  }\n`;
}

function formatRule({ comment, conditions, statement }: Rule): string {
  return `    ${[...conditions.map(formatCondition), statement].join(' ')} comment ${JSON.stringify(comment)}\n`;
}

function formatCondition({ field, isNegated = false, values }: Condition): string {
  const words = values.map((value) => (field.endsWith('ifname') ? JSON.stringify(value) : String(value)));
  const set = words.length === 1 ? (words[0] ?? '') : `{ ${words.join(', ')} }`;
  return `${field} ${isNegated ? '!= ' : ''}${set}`;
}
