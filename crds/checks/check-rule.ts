/** CheckRule as a whole. */
import {
  type CheckList,
  type CheckMatch,
  type CheckRuleSpec,
  type CheckSource,
  listedHeader,
  listValueFault,
  maxListValues,
} from '../check-rule.ts';
import { durationFault, parseDurationMs } from '../duration.ts';
import { childPath, type Findings, show } from '../findings.ts';
import { dnsLabelFault, domainFault, headerNameFault, isIpAddress, subnetFault } from '../names.ts';
import type { StringMatch } from '../virtual-service.ts';
import type { Check } from './check.ts';
import { checkDenyWith, checkTime } from './check-time.ts';
import { checkLabels, checkSelector } from './labels.ts';
import { checkMethods, checkPaths } from './request-match.ts';
import { checkStringMatch, isPresenceMatch } from './string-match.ts';

export const checkCheckRule: Check<CheckRuleSpec> = (spec, _metadata, findings) => {
  const { host, selector, match = [] } = spec;
  if ((host === undefined) === (selector === undefined)) {
    findings.error('spec', 'must have one of host and selector');
  }
  if (host !== undefined) findings.expect('spec.host', domainFault(host));
  if (selector !== undefined) checkSelector(selector.matchLabels, 'spec.selector.matchLabels', findings);
  checkProvider(spec, findings);
  checkDenyWith(spec, findings);
  for (const [index, one] of match.entries()) checkMatch(one, `spec.match[${index}]`, findings);
};

/** Envoy's filter asks or does not: there is no asking only to count the answers. */
function checkProvider({ action, provider, mode }: CheckRuleSpec, findings: Findings): void {
  if (action !== 'CUSTOM') {
    if (provider !== undefined) findings.error('spec.provider', `has no effect on ${action}`);
    return;
  }
  if (!provider) findings.error('spec.provider', 'must be set where action is CUSTOM');
  if (mode === 'SHADOW') findings.error('spec.mode', 'must be ENFORCE where action is CUSTOM');
}

function checkMatch(match: CheckMatch, path: string, findings: Findings): void {
  const { source = {}, time = {}, methods = [], paths = [], headers = {}, withoutHeaders = {}, lists = [] } = match;
  if (Object.keys(match).length === 0)
    findings.error(path, 'must have a condition: without match every request is meant');
  for (const [key, value] of Object.entries(match)) {
    if (Object.keys(value).length === 0) findings.error(`${path}.${key}`, 'must have at least one');
  }
  checkTime(time, `${path}.time`, findings);
  checkSource(source, `${path}.source`, findings);
  checkMethods(methods, `${path}.methods`, findings);
  checkPaths(paths, `${path}.paths`, findings);
  checkHeaders(headers, `${path}.headers`, findings);
  checkHeaders(withoutHeaders, `${path}.withoutHeaders`, findings);
  for (const [index, list] of lists.entries()) checkList(list, `${path}.lists[${index}]`, findings);
}

function checkSource(source: CheckSource, path: string, findings: Findings): void {
  for (const [key, value] of Object.entries(source)) {
    const isEmpty = Array.isArray(value) ? value.length === 0 : Object.keys(value).length === 0;
    if (isEmpty) findings.error(`${path}.${key}`, 'must have at least one');
  }
  for (const [index, name] of (source.namespaces ?? []).entries()) {
    findings.expect(`${path}.namespaces[${index}]`, dnsLabelFault(name));
  }
  for (const [index, name] of (source.services ?? []).entries()) {
    findings.expect(`${path}.services[${index}]`, domainFault(name));
  }
  checkLabels(source.labels ?? {}, `${path}.labels`, findings);
  for (const key of ['ipBlocks', 'notIpBlocks', 'remoteIpBlocks', 'notRemoteIpBlocks'] as const) {
    for (const [index, block] of (source[key] ?? []).entries()) {
      findings.expect(`${path}.${key}[${index}]`, addressBlockFault(block));
    }
  }
}

export function addressBlockFault(block: string): string | undefined {
  return isIpAddress(block) ? undefined : subnetFault(block);
}

function checkHeaders(headers: Readonly<Record<string, StringMatch>>, path: string, findings: Findings): void {
  for (const [name, match] of Object.entries(headers)) {
    const at = childPath(path, name);
    if (name !== ':authority')
      findings.expect(at, name === name.toLowerCase() ? headerNameFault(name) : 'must be lower case');
    if (!isPresenceMatch(match)) checkStringMatch(match, at, findings);
  }
}

function checkList(list: CheckList, path: string, findings: Findings): void {
  checkAttribute(list, path, findings);
  const origins = (['values', 'file', 'url'] as const).filter((key) => list[key] !== undefined);
  if (origins.length !== 1)
    findings.error(path, `must have one of values, file and url, got ${origins.join(' and ') || 'none'}`);
  const { values = [], file, url, refreshInterval } = list;
  if (list.values?.length === 0) findings.error(`${path}.values`, 'must have at least one');
  if (values.length > maxListValues)
    findings.error(`${path}.values`, `must be at most ${maxListValues}, got ${values.length}`);
  for (const [index, value] of values.entries()) {
    findings.expect(`${path}.values[${index}]`, listValueFault(list, value, addressBlockFault));
  }
  if (file !== undefined && !/^[\w-][\w.-]*$/.test(file)) {
    findings.error(`${path}.file`, `must be the name of a file, without a folder, got ${show(file)}`);
  }
  if (url !== undefined) findings.expect(`${path}.url`, urlFault(url));
  if (refreshInterval === undefined) return;
  if (list.values !== undefined) findings.error(`${path}.refreshInterval`, 'has no effect on values');
  const isLong = (parseDurationMs(refreshInterval) ?? 0) >= 1_000;
  const shortFault = isLong ? undefined : `must be at least 1s, got ${show(refreshInterval)}`;
  findings.expect(`${path}.refreshInterval`, durationFault(refreshInterval) ?? shortFault);
}

const attributes = ['source.ip', 'remote.ip', 'method', 'path'];

function checkAttribute(list: CheckList, path: string, findings: Findings): void {
  const header = listedHeader(list);
  const at = `${path}.attribute`;
  if (header !== undefined) {
    return findings.expect(
      at,
      header === header.toLowerCase() ? headerNameFault(header) : 'must name a header in lower case',
    );
  }
  if (attributes.includes(list.attribute)) return;
  findings.error(at, `must be one of ${attributes.join(', ')} and header:NAME, got ${show(list.attribute)}`);
}

function urlFault(text: string): string | undefined {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !['http:', 'https:'].includes(url.protocol))
    return `must be an http or https URL, got ${show(text)}`;
  return url.username === '' && url.password === '' ? undefined : 'must not have a user or a password';
}
