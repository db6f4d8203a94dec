/** The conditions of an HTTP route. */
import { childPath, type Findings } from '../findings.ts';
import { dnsLabelFault, headerNameFault } from '../names.ts';
import type { HTTPMatchRequest, StringMatch } from '../virtual-service.ts';
import { checkGatewayNames } from './gateway-names.ts';
import { checkLabels } from './labels.ts';
import { checkStringMatch, isPresenceMatch } from './string-match.ts';

/** RFC 9113 section 8.3. */
const pseudoHeaders: ReadonlySet<string> = new Set([':method', ':scheme', ':authority', ':path', ':status']);

/** `@request.auth.claims.sub` and `@request.auth.claims[a][b]` match claims of a token instead of a header. */
export function isJwtClaim(headerName: string): boolean {
  return /^@request\.auth\.claims(?:\..+|\[.+\])$/i.test(headerName);
}

export function checkHttpMatch(match: HTTPMatchRequest, path: string, findings: Findings): void {
  checkHeaderMatches(match.headers ?? {}, `${path}.headers`, findings);
  checkHeaderMatches(match.withoutHeaders ?? {}, `${path}.withoutHeaders`, findings);
  if (match.uri !== undefined) checkStringMatch(match.uri, `${path}.uri`, findings, true);
  if ((match.uri?.exact ?? match.uri?.prefix)?.includes('?') === true) {
    findings.warn(`${path}.uri`, 'never matches: a path is compared without its query, which queryParams match');
  }
  if (match.scheme !== undefined) checkStringMatch(match.scheme, `${path}.scheme`, findings);
  if (match.method !== undefined) checkStringMatch(match.method, `${path}.method`, findings);
  if (match.authority !== undefined) checkStringMatch(match.authority, `${path}.authority`, findings);
  for (const [name, value] of Object.entries(match.queryParams ?? {})) {
    checkStringMatch(value, childPath(`${path}.queryParams`, name), findings);
  }
  checkLabels(match.sourceLabels ?? {}, `${path}.sourceLabels`, findings);
  checkGatewayNames(match.gateways ?? [], `${path}.gateways`, findings);
  if (match.sourceNamespace !== undefined && match.sourceNamespace !== '') {
    findings.expect(`${path}.sourceNamespace`, dnsLabelFault(match.sourceNamespace));
  }
}

function checkHeaderMatches(headers: Readonly<Record<string, StringMatch>>, path: string, findings: Findings): void {
  for (const [name, match] of Object.entries(headers)) {
    const at = childPath(path, name);
    if (!isJwtClaim(name) && !pseudoHeaders.has(name)) findings.expect(at, headerNameFault(name));
    if (!isPresenceMatch(match)) checkStringMatch(match, at, findings);
  }
}
