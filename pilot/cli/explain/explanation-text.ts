/** An explanation for the terminal: short lines, the answer first. */
import { nameOf } from './considered-matches.ts';
import type { ConsideredMatch, Explanation } from './explanation.ts';

const labelWidth = 16;
const longestValue = 80;

export function formatExplanation(explanation: Explanation): string {
  const { request, release, destination, upstream, response } = explanation;
  const responseHeaders = Object.entries(response).filter(([name]) => name !== 'location');
  const lines = [
    `${request.method} ${request.url}`,
    line('outcome', outcomeText(explanation)),
    ...hostLines(explanation),
    ...explanation.matches.flatMap(matchLines),
    ...(release === undefined ? [] : [line('Canary', `${release.canary}: ${release.why}${at(release.place)}`)]),
    ...(destination === undefined ? [] : destinationLines(destination)),
    ...explanation.inForce.map(({ what, how }) => line(what, how)),
    ...(upstream === undefined ? [] : upstreamLines(upstream)),
    ...responseHeaders.map(([name, value]) => line('response', `+ ${name}: ${value}`)),
  ];
  return `${lines.join('\n')}\n`;
}

function line(label: string, text: string): string {
  return `  ${label.padEnd(labelWidth)}${text}`.trimEnd();
}

export function outcomeText({ outcome, destination }: Explanation): string {
  const { kind, status, flag, sentence } = outcome;
  if (kind === 'forward' && destination !== undefined) {
    const { host, subset, port } = destination;
    return `goes to ${host}:${port}${subset === '' ? '' : ` subset ${subset}`}`;
  }
  const code = [kind === 'error' ? '' : kind, status, flag === '-' ? '' : flag].filter(Boolean).join(' ');
  return `${code}: ${sentence}`;
}

function hostLines({ virtualHost, rules }: Explanation): string[] {
  if (virtualHost === undefined) return [];
  const ruled = rules === undefined ? 'none, the default route' : `${rules.name}${at(rules.place)}`;
  return [line('virtual host', `${virtualHost.name} (${virtualHost.why})`), line('VirtualService', ruled)];
}

const marks: Readonly<Record<ConsideredMatch['verdict'], string>> = {
  taken: '->',
  'no match': 'x ',
  'not for this client': '- ',
  unreachable: '! ',
  'not asked': '. ',
};

function matchLines(match: ConsideredMatch): string[] {
  const { verdict, reason, place } = match;
  const word = verdict === 'not asked' ? '' : `${verdict === 'no match' ? '' : `${verdict}: `}${reason}`;
  return [`    ${marks[verdict]} ${nameOf(match)}${at(place)}`, ...(word === '' ? [] : [`         ${word}`])];
}

function destinationLines(destination: NonNullable<Explanation['destination']>): string[] {
  const { cluster, why, destinationRules, endpoints, isKnown } = destination;
  const rules = destinationRules.map(({ name, place }) => `${name}${at(place)}`).join(', ');
  const known = isKnown ? [line('endpoints', endpoints === undefined ? 'not known offline' : String(endpoints))] : [];
  return [
    line('destination', why),
    line('cluster', `${cluster}${isKnown ? '' : ' (unknown)'}`),
    line('DestinationRule', rules || 'none'),
    ...known,
  ];
}

/** Every header that is sent; what the rules change is marked. */
function upstreamLines({ method, path, host, headers, sent }: NonNullable<Explanation['upstream']>): string[] {
  const others = Object.entries(sent).filter(([name]) => name !== 'host');
  return [
    line('upstream', `${method} ${path}`),
    line('', `  host: ${host}`),
    ...others.map(([name, value]) =>
      line('', `${Object.hasOwn(headers.set, name) ? '+' : ' '} ${name}: ${shortened(value)}`),
    ),
    ...headers.removed.map((name) => line('', `- ${name}`)),
  ];
}

/** For one line of a terminal: what is cut stands in `-o json`. */
function shortened(value: string): string {
  return value.length <= longestValue ? value : `${value.slice(0, longestValue)}… (${value.length} characters)`;
}

function at(place: string | undefined): string {
  return place === undefined ? '' : `  ${place}`;
}
