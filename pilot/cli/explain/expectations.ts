/** `--assert KEY=VALUE`: an explanation as a test. */
import { didYouMean } from '../../../crds/findings.ts';
import { nameOf } from './considered-matches.ts';
import type { Explanation } from './explanation.ts';
import { outcomeText } from './explanation-text.ts';
import { usage } from './request-options.ts';

export interface Expectation {
  readonly key: string;
  readonly value: string;
}

const readers: Readonly<Record<string, (explanation: Explanation) => string | undefined>> = {
  subset: ({ destination }) => destination?.subset,
  cluster: ({ destination }) => destination?.cluster,
  host: ({ destination }) => destination?.host,
  port: ({ destination }) => destination && String(destination.port),
  route: ({ route }) => route,
  rule: (explanation) => ruleOf(explanation),
  canary: ({ release }) => release?.canary,
  weight: ({ release }) => release && String(release.weight),
  outcome: ({ outcome }) => outcome.kind,
  status: ({ outcome }) => (outcome.status === undefined ? undefined : String(outcome.status)),
  flag: ({ outcome }) => outcome.flag,
  location: ({ outcome }) => outcome.location,
  path: ({ upstream }) => upstream?.path,
  authority: ({ upstream }) => upstream?.host,
  timeout: ({ timeoutMs }) => (timeoutMs === undefined ? undefined : `${timeoutMs}ms`),
};

/** The name of the rule that was taken, else its index. */
function ruleOf({ matches }: Explanation): string | undefined {
  const taken = matches.find(({ verdict }) => verdict === 'taken');
  return taken && (taken.ruleName ?? String(taken.rule));
}

export function readExpectation(text: string): Expectation {
  const equals = text.indexOf('=');
  if (equals < 1) throw usage(`"${text}" is no expectation like subset=v2`);
  return checkExpectation({ key: text.slice(0, equals), value: text.slice(equals + 1) });
}

/** A usage error when nobody knows what is meant. */
export function checkExpectation(expectation: Expectation): Expectation {
  const { key } = expectation;
  if (Object.hasOwn(readers, key) || /^header\.[^.\s]+$/.test(key)) return expectation;
  throw usage(`unknown expectation "${key}"${didYouMean(key, [...Object.keys(readers), 'header.NAME'])}`);
}

/** One sentence for what is not fulfilled; undefined when it is. */
export function findFailure({ key, value }: Expectation, explanation: Explanation): string | undefined {
  const came = readers[key]?.(explanation) ?? headerOf(key, explanation);
  if (isEqual(key, value, came, explanation)) return undefined;
  const { method, url } = explanation.request;
  const text = came === undefined || came === '' ? 'none' : `"${came}"`;
  return `${method} ${url}: expected ${key} "${value}", got ${text} (${outcomeText(explanation)})`;
}

function isEqual(...[key, value, came, { matches }]: [string, string, string | undefined, Explanation]): boolean {
  if (key === 'timeout') return came !== undefined && durationMs(value) === durationMs(came);
  if (key === 'rule') {
    const taken = matches.find(({ verdict }) => verdict === 'taken');
    return taken !== undefined && (value === taken.ruleName || value === String(taken.rule) || value === nameOf(taken));
  }
  // As the commands about releases take it: without the namespace it is the default one's.
  if (key === 'canary' && came !== undefined) return value === came || `default/${value}` === came;
  return (came ?? '') === value;
}

/** As it goes upstream; of an answer of the proxy's own, as the client gets it. */
function headerOf(key: string, { upstream, response }: Explanation): string | undefined {
  if (!key.startsWith('header.')) return undefined;
  const name = key.slice('header.'.length).toLowerCase();
  return upstream === undefined ? response[name] : upstream.sent[name];
}

const unitMs: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

function durationMs(text: string): number | undefined {
  const [, number, unit = ''] = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(text) ?? [];
  return number === undefined
    ? text === '0' || text === 'none'
      ? 0
      : undefined
    : Number(number) * (unitMs[unit] ?? 1);
}
