import { describe, expect, test } from 'vitest';
import { messageType } from '../../../proxy/api/descriptor.ts';
import {
  decodeDiscoveryRequest,
  decodeDiscoveryResponse,
  encodeDiscoveryRequest,
  encodeDiscoveryResponse,
  encodeResource,
  streamAggregatedResources,
} from '../../../proxy/api/discovery.ts';
import { decode, encode } from '../../../proxy/api/protojson.ts';
import {
  decodeResource,
  discoveryNameOf,
  discoveryNames,
  peekResourceName,
  resourceTypes,
} from '../../../proxy/api/resource-types.ts';
import { assignmentJson, edsClusterJson, rdsListenerJson, routeConfigurationJson } from './samples.ts';

const { CDS, EDS, LDS, RDS } = resourceTypes;

describe('a discovery request', () => {
  test('survives the wire', () => {
    const request = {
      typeUrl: CDS.typeUrl,
      versionInfo: '7',
      responseNonce: 'n1',
      resourceNames: ['a', 'b'],
      node: { id: 'x', metadata: { NAMESPACE: 'default' } },
      errorDetail: { code: 3, message: 'lb_policy: is not supported' },
    };
    expect(decodeDiscoveryRequest(encodeDiscoveryRequest(request))).toEqual({ value: request });
  });

  test('of a first subscription is mostly empty', () => {
    const request = {
      typeUrl: EDS.typeUrl,
      versionInfo: '',
      responseNonce: '',
      resourceNames: [],
      node: undefined,
      errorDetail: undefined,
    };
    expect(decodeDiscoveryRequest(encodeDiscoveryRequest(request))).toEqual({ value: request });
  });

  test('may carry details that nobody here knows', () => {
    const bytes = messageType('envoy.service.discovery.v3.DiscoveryRequest')
      .codec.encode({ type_url: CDS.typeUrl, error_detail: { code: 3, details: [{ type_url: 'x/y.Z' }] } })
      .finish();
    expect(decodeDiscoveryRequest(bytes).value?.errorDetail?.code).toBe(3);
  });

  test('of garbage is a fault', () => {
    expect(decodeDiscoveryRequest(Buffer.from('ff', 'hex')).errors).toHaveLength(1);
    expect(decodeDiscoveryResponse(Buffer.from('0a05', 'hex')).errors).toHaveLength(1);
  });
});

describe('a discovery response', () => {
  test('is a head and resources that were encoded once', () => {
    const json = edsClusterJson('a');
    const head = { typeUrl: CDS.typeUrl, versionInfo: 'v1', nonce: 'n1' };
    const bytes = encodeDiscoveryResponse(head, [
      encodeResource(CDS.messageName, json),
      encodeResource(CDS.messageName, edsClusterJson('b')),
    ]);
    expect(decodeDiscoveryResponse(bytes).value).toMatchObject({
      ...head,
      resources: [
        { typeUrl: CDS.typeUrl, value: Buffer.from(encode(CDS.messageName, json)) },
        { typeUrl: CDS.typeUrl },
      ],
    });
    expect(decode('envoy.service.discovery.v3.DiscoveryResponse', bytes).value).toEqual({
      version_info: 'v1',
      type_url: CDS.typeUrl,
      nonce: 'n1',
      resources: [
        { '@type': CDS.typeUrl, ...json },
        { '@type': CDS.typeUrl, ...edsClusterJson('b') },
      ],
    });
  });

  test('goes over gRPC without another copy', () => {
    const bytes = encodeDiscoveryResponse({ typeUrl: '', versionInfo: '1', nonce: '' }, []);
    const sent = streamAggregatedResources.responseSerialize(bytes);
    expect(sent.buffer).toBe(bytes.buffer);
    expect(sent.equals(bytes)).toBe(true);
  });
});

describe('the table of resource types', () => {
  test('stands in apply order', () => {
    expect(discoveryNames).toEqual(['CDS', 'EDS', 'SDS', 'LDS', 'RDS']);
  });

  test('finds a service by type URL', () => {
    expect(discoveryNameOf('type.googleapis.com/envoy.config.listener.v3.Listener')).toBe('LDS');
    expect(discoveryNameOf('type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret')).toBe('SDS');
    expect(discoveryNameOf('type.googleapis.com/envoy.service.runtime.v3.Runtime')).toBeUndefined();
  });

  test('decodes and names each of them', () => {
    const named = [
      CDS.nameOf(decodeResource(CDS, encode(CDS.messageName, edsClusterJson('c'))).value!),
      EDS.nameOf(decodeResource(EDS, encode(EDS.messageName, assignmentJson('e', 1))).value!),
      LDS.nameOf(decodeResource(LDS, encode(LDS.messageName, rdsListenerJson('l', 'r'))).value!),
      RDS.nameOf(decodeResource(RDS, encode(RDS.messageName, routeConfigurationJson('r', 'c'))).value!),
    ];
    expect(named).toEqual(['c', 'e', 'l', 'r']);
  });

  test('finds the name of a resource without decoding it, also of a broken one', () => {
    expect(peekResourceName(encode(RDS.messageName, routeConfigurationJson('r', 'c')))).toBe('r');
    expect(peekResourceName(Buffer.concat([encode(CDS.messageName, { name: 'a' }), Buffer.from([0xff])]))).toBe('a');
    expect(peekResourceName(Buffer.from('ffff', 'hex'))).toBe('');
    expect(peekResourceName(Buffer.alloc(0))).toBe('');
  });
});
