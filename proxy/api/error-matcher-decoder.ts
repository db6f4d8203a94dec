/** Decodes which responses count against a host: `HttpProtocolOptions.outlier_detection`, statuses one by one. */
import type {
  MatchPredicate as MatchPredicateJson,
  HttpProtocolOptions_OutlierDetection as HttpOutlierDetectionJson,
} from './envoy.gen.ts';
import type { Fields } from './fields.ts';

/** Undefined: those from 500 on. */
export function readErrorStatuses(
  fields: Fields<HttpOutlierDetectionJson> | undefined,
): ReadonlySet<number> | undefined {
  const matcher = fields?.message('error_matcher');
  return matcher && new Set(readPredicate(matcher));
}

function readPredicate(fields: Fields<MatchPredicateJson>): number[] {
  const alternatives = fields.message('or_match');
  if (alternatives !== undefined) return alternatives.list('rules', readPredicate).flat();
  const { length, 0: status = 0 } = fields.required('http_response_headers_match').list('headers', (header) => {
    header.only('name', ':status');
    const text = header.required('string_match').name('exact');
    if (!/^[1-5]\d\d$/.test(text)) header.fail('string_match', `must be a status, got ${JSON.stringify(text)}`);
    return Number(text);
  });
  if (length !== 1) fields.fail('http_response_headers_match', 'must name one header, :status');
  return [status];
}
