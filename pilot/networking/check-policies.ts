/** Conditions of CheckRules as policies of Envoy's RBAC filter. */
import { isIPv6 } from 'node:net';
import { isListOfAddresses, listedHeader, type CheckList } from '../../crds/check-rule.ts';
import type { CidrRange, Permission, Policy, Principal } from '../../proxy/api/envoy.gen.ts';
import type { ResolvedMatch, ResolvedRule } from '../model/check-rules.ts';
import { buildAbsenceMatcher, buildHeaderMatcher } from './route-match.ts';
import { buildTimeCondition } from './time-condition.ts';

/**
 * Each match is a policy: only so permissions and principals go together. Where no one port is meant, connections are asked
 * for theirs.
 */
export function buildPolicies(
  { name, matches }: ResolvedRule,
  port: number | undefined,
  isAbout: (match: ResolvedMatch) => boolean = () => true,
): [string, Policy][] {
  if (matches.length === 0) return [[name, { permissions: [{ any: true }], principals: [{ any: true }] }]];
  return matches.flatMap((match, index): [string, Policy][] => {
    const { ports } = match.match;
    const isAtPort = port === undefined || ports === undefined || ports.includes(port);
    if (!isAtPort || !isAbout(match)) return [];
    const { time } = match.match;
    const policy: Policy = {
      permissions: [allPermissions(match, port === undefined ? ports : undefined)],
      principals: [allPrincipals(match)],
      ...(time === undefined ? {} : { condition: buildTimeCondition(time) }),
    };
    return [[matches.length === 1 ? name : `${name}.${index}`, policy]];
  });
}

function allPermissions({ match, listValues }: ResolvedMatch, ports: readonly number[] | undefined): Permission {
  const { methods, paths, headers = {}, withoutHeaders = {}, lists = [] } = match;
  const rules: Permission[] = [
    ...(ports === undefined ? [] : [anyPermission(ports.map((destination_port) => ({ destination_port })))]),
    ...(methods === undefined ? [] : [anyPermission(methods.map(methodPermission))]),
    ...(paths === undefined ? [] : [anyPermission(paths.map(pathPermission))]),
    ...Object.entries(headers).map(([name, value]) => ({ header: buildHeaderMatcher(name, value) })),
    ...Object.entries(withoutHeaders).map(([name, value]) => ({ header: buildAbsenceMatcher(name, value) })),
    ...lists.flatMap((list, i) => (isListOfAddresses(list) ? [] : [listPermission(list, listValues[i] ?? [])])),
  ];
  const [first, second] = rules;
  if (first === undefined) return { any: true };
  return second === undefined ? first : { and_rules: { rules } };
}

/** None of none: nothing is in an empty list. */
function anyPermission(rules: Permission[]): Permission {
  const [first, second] = rules;
  if (first === undefined) return { not_rule: { any: true } };
  return second === undefined ? first : { or_rules: { rules } };
}

function methodPermission(method: string): Permission {
  return { header: buildHeaderMatcher(':method', { exact: method }) };
}

function pathPermission({
  exact,
  prefix,
  regex = '',
}: {
  exact?: string;
  prefix?: string;
  regex?: string;
}): Permission {
  if (exact !== undefined) return { url_path: { path: { exact } } };
  return { url_path: { path: prefix === undefined ? { safe_regex: { regex } } : { prefix } } };
}

function listPermission(list: CheckList, values: readonly string[]): Permission {
  const header = listedHeader(list);
  const listed = anyPermission(
    values.map((value) => {
      if (header !== undefined) return { header: buildHeaderMatcher(header, { exact: value }) };
      return list.attribute === 'path' ? pathPermission({ exact: value }) : methodPermission(value);
    }),
  );
  return list.not === true ? { not_rule: listed } : listed;
}

function allPrincipals({ match, workloadAddresses, listValues }: ResolvedMatch): Principal {
  const { source = {}, lists = [] } = match;
  const { ipBlocks, notIpBlocks, remoteIpBlocks, notRemoteIpBlocks } = source;
  const ids: Principal[] = [
    ...(workloadAddresses === undefined ? [] : [anyAddress('direct_remote_ip', workloadAddresses)]),
    ...(ipBlocks === undefined ? [] : [anyAddress('direct_remote_ip', ipBlocks)]),
    ...(notIpBlocks === undefined ? [] : [{ not_id: anyAddress('direct_remote_ip', notIpBlocks) }]),
    ...(remoteIpBlocks === undefined ? [] : [anyAddress('remote_ip', remoteIpBlocks)]),
    ...(notRemoteIpBlocks === undefined ? [] : [{ not_id: anyAddress('remote_ip', notRemoteIpBlocks) }]),
    ...lists.flatMap((list, i) => (isListOfAddresses(list) ? [listPrincipal(list, listValues[i] ?? [])] : [])),
  ];
  const [first, second] = ids;
  if (first === undefined) return { any: true };
  return second === undefined ? first : { and_ids: { ids } };
}

function listPrincipal({ attribute, not }: CheckList, values: readonly string[]): Principal {
  const listed = anyAddress(attribute === 'source.ip' ? 'direct_remote_ip' : 'remote_ip', values);
  return not === true ? { not_id: listed } : listed;
}

function anyAddress(kind: 'direct_remote_ip' | 'remote_ip', blocks: readonly string[]): Principal {
  const ids = blocks.map((block): Principal => ({ [kind]: rangeOf(block) }));
  const [first, second] = ids;
  if (first === undefined) return { not_id: { any: true } };
  return second === undefined ? first : { or_ids: { ids } };
}

function rangeOf(block: string): CidrRange {
  const [address_prefix = '', length] = block.split('/');
  const whole = isIPv6(address_prefix) ? 128 : 32;
  return { address_prefix, prefix_len: length === undefined ? whole : Number(length) };
}
