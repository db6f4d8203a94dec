/** One HTTP route of a VirtualService. */
import { durationFault } from '../duration.ts';
import type { Findings } from '../findings.ts';
import type { HTTPRoute } from '../virtual-service.ts';
import { checkDestination, checkDestinations } from './destinations.ts';
import { checkFault } from './fault-injection.ts';
import { checkHeaderRules, isAuthorityHeader } from './header-rules.ts';
import { checkCors, checkDirectResponse, checkRedirect, checkRetries, checkRewrite } from './http-actions.ts';
import { checkHttpMatch } from './http-match.ts';

/** `isDelegate`: the route stands in a VirtualService without hosts, which another one includes (semantics S31). */
export function checkHttpRoute(route: HTTPRoute, path: string, findings: Findings, isDelegate: boolean): void {
  checkAction(route, path, findings, isDelegate);
  for (const [index, match] of (route.match ?? []).entries())
    checkHttpMatch(match, `${path}.match[${index}]`, findings);
  checkHeaderRules(route.headers, `${path}.headers`, findings);
  checkAuthorityChange(route, path, findings);
  checkCors(route.corsPolicy, `${path}.corsPolicy`, findings);
  checkFault(route.fault, `${path}.fault`, findings);
  checkMirrors(route, path, findings);
  checkRedirect(route, `${path}.redirect`, findings);
  checkDirectResponse(route.directResponse, `${path}.directResponse`, findings);
  checkRetries(route.retries, `${path}.retries`, findings);
  checkRewrite(route.rewrite, `${path}.rewrite`, findings);
  const destinations = route.route ?? [];
  checkDestinations(destinations, `${path}.route`, findings);
  for (const [index, { headers }] of destinations.entries()) {
    checkHeaderRules(headers, `${path}.route[${index}].headers`, findings);
  }
  if (route.timeout !== undefined) findings.expect(`${path}.timeout`, durationFault(route.timeout));
}

/** Exactly one of route, redirect, directResponse and delegate; redirects and direct responses never reach a destination. */
function checkAction(route: HTTPRoute, path: string, findings: Findings, isDelegate: boolean): void {
  const { delegate, redirect, directResponse } = route;
  const hasRoute = route.route !== undefined && route.route.length > 0;
  if (delegate !== undefined) {
    if (isDelegate)
      findings.error(`${path}.delegate`, 'must not stand in a delegate: there is one level of delegation');
    if (redirect !== undefined) findings.error(`${path}.redirect`, 'must not stand beside delegate');
    if (route.route !== undefined) findings.error(`${path}.route`, 'must not stand beside delegate');
    if (directResponse !== undefined) findings.error(`${path}.directResponse`, 'must not stand beside delegate');
    return;
  }
  if (redirect === undefined && directResponse === undefined) {
    if (!hasRoute)
      findings.error(`${path}.route`, 'is required: a rule needs one of route, redirect and directResponse');
    return;
  }
  const winner = redirect === undefined ? 'directResponse' : 'redirect';
  const others = { route: hasRoute, fault: route.fault !== undefined, rewrite: route.rewrite !== undefined };
  for (const [field, isGiven] of Object.entries(others)) {
    if (isGiven) findings.error(`${path}.${field}`, `must not stand beside ${winner}`);
  }
  if (redirect !== undefined && directResponse !== undefined) {
    findings.error(`${path}.directResponse`, 'must not stand beside redirect');
  }
}

function checkMirrors(route: HTTPRoute, path: string, findings: Findings): void {
  const { mirror, mirrors = [] } = route;
  if (mirror !== undefined && mirrors.length > 0) findings.error(`${path}.mirrors`, 'must not stand beside mirror');
  if (mirror !== undefined) checkDestination(mirror, `${path}.mirror`, findings);
  for (const [index, { destination }] of mirrors.entries()) {
    checkDestination(destination, `${path}.mirrors[${index}].destination`, findings);
  }
  if (route.mirrorPercent !== undefined) findings.warn(`${path}.mirrorPercent`, 'is deprecated: use mirrorPercentage');
}

/** The Host of a request can be rewritten in one place only (semantics S29). */
function checkAuthorityChange(route: HTTPRoute, path: string, findings: Findings): void {
  const { set = {}, add = {} } = route.headers?.request ?? {};
  const places = [
    ...(route.rewrite?.authority ? ['rewrite.authority'] : []),
    ...Object.keys(set)
      .filter(isAuthorityHeader)
      .map((name) => `headers.request.set.${name}`),
    ...Object.keys(add)
      .filter(isAuthorityHeader)
      .map((name) => `headers.request.add.${name}`),
  ];
  for (const place of places.slice(1))
    findings.error(`${path}.${place}`, `must not change the host again: ${places[0]} does`);
}
