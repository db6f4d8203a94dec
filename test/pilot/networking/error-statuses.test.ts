import { describe, expect, test } from 'vitest';
import { withProtocolOptions } from '../../../pilot/networking/protocol-options.ts';
import { decodeCluster } from '../../../proxy/api/cluster-decoder.ts';
import type { Cluster } from '../../../proxy/api/envoy.gen.ts';
import { formatFieldErrors, requireValue } from '../../../proxy/common/decoded.ts';
import { staticCluster } from '../../support/envoy-json.ts';

const base: Cluster = { outlier_detection: {}, common_http_protocol_options: { idle_timeout: '30s' } };
const decode = (cluster: Cluster) => decodeCluster(staticCluster('c', [1], cluster));

describe('outlierDetectionHttpErrorCodes', () => {
  test.each([[[429]], [[429, 500, 503]]])('%j are the errors, and the other options of HTTP stay', (statuses) => {
    const cluster = requireValue(decode(withProtocolOptions(base, { errorStatuses: statuses })), 'cluster');
    expect(cluster.outlierDetection?.errorStatuses).toEqual(new Set(statuses));
    expect(cluster.idleTimeoutMs).toBe(30_000);
  });

  test('none, or an empty list, leave what a cluster is', () => {
    expect(withProtocolOptions(base, {})).toBe(base);
    expect(withProtocolOptions(base, { errorStatuses: [] })).toBe(base);
  });

  test.each(['http2', 'downstream'] as const)('are the errors whatever is spoken: %s', (version) => {
    const cluster = requireValue(decode(withProtocolOptions(base, { version, errorStatuses: [429] })), 'cluster');
    expect(cluster).toMatchObject({ protocol: version, idleTimeoutMs: 30_000 });
    expect(cluster.outlierDetection?.errorStatuses).toEqual(new Set([429]));
  });

  test('another header, or no status, is refused by name', () => {
    const name = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';
    const faultOf = (header: object): string => {
      const options = {
        '@type': `type.googleapis.com/${name}`,
        explicit_http_config: { http_protocol_options: {} },
        outlier_detection: { error_matcher: { http_response_headers_match: { headers: [header] } } },
      };
      return formatFieldErrors(decode({ typed_extension_protocol_options: { [name]: options } }).errors ?? []);
    };
    expect(faultOf({ name: 'x', string_match: { exact: '500' } })).toMatch(/headers\[0\]\.name: "x" is not supported/);
    expect(faultOf({ name: ':status', string_match: { exact: '5xx' } })).toMatch(/must be a status, got "5xx"/);
    expect(faultOf({ name: ':status', string_match: { prefix: '5' } })).toMatch(/string_match\.exact: must be set/);
  });
});
