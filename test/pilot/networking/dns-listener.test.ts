import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { buildDnsListener } from '../../../pilot/networking/dns-listener.ts';
import type { Workload } from '../../../pilot/model/workload.ts';
import type { Listener } from '../../../proxy/api/envoy.gen.ts';
import { decodeListener } from '../../../proxy/api/listener-decoder.ts';
import { requireValue } from '../../../proxy/common/decoded.ts';
import { requirePeers } from '../../support/peers.ts';
import { contextOf, serviceYaml, sidecarWorkload } from './scenario.ts';

const withAddress = (yaml: string, ...addresses: readonly string[]): string =>
  yaml.replace('spec: {', `spec: { clusterIP: ${addresses[0] ?? 'None'}, clusterIPs: ${JSON.stringify(addresses)},`);

const entry = (name: string, spec: string, namespace = 'default'): string => `
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: ${name}, namespace: ${namespace} }
spec: { ports: [{ number: 80, name: http, protocol: HTTP }], resolution: STATIC, ${spec} }
`;

const interception = { dnsPort: 15_053, namespace: 'default', isIntercepted: true };

function listenerOf(
  yaml: string,
  given: Partial<typeof interception> = {},
  workloads: readonly Workload[] = [],
): Listener {
  const { config, addressed } = contextOf(yaml, workloads);
  return buildDnsListener(config, addressed, { ...interception, ...given });
}

/** Addresses by name, as the proxy reads them. */
function namesOf(
  yaml: string,
  given: Partial<typeof interception> = {},
  workloads: readonly Workload[] = [],
): Record<string, readonly string[]> {
  const { dnsFilter } = requireValue(decodeListener(listenerOf(yaml, given, workloads)), 'listener');
  return Object.fromEntries((dnsFilter?.virtualDomains ?? []).map(({ name, addresses }) => [name, addresses]));
}

const dualStack = withAddress(serviceYaml('reviews'), '10.96.0.7', 'fd00::7');

describe('the DNS listener of a sidecar', () => {
  test('is on loopback of both families, answers for 30 seconds, and asks the resolvers of its host for two rounds', () => {
    const listener = requireValue(decodeListener(listenerOf(dualStack)), 'listener');
    expect(listener).toMatchObject({
      name: 'virtualDns',
      address: '127.0.0.1',
      port: 15_053,
      additionalAddresses: [{ address: '::1', port: 15_053 }],
      trafficDirection: 'OUTBOUND',
    });
    expect(listener.dnsFilter?.forwarding).toEqual({
      resolvers: [],
      timeoutMs: 2_000,
      retries: 1,
      maxPendingLookups: 1_024,
    });
    expect(new Set(listener.dnsFilter?.virtualDomains.map(({ ttlSeconds }) => ttlSeconds))).toEqual(new Set([30]));
  });

  test('S18: answers every spelling of a service, the short one in its own namespace only', () => {
    const addresses = ['10.96.0.7', 'fd00::7'];
    const elsewhere = {
      'reviews.default.svc.cluster.local': addresses,
      'reviews.default.svc': addresses,
      'reviews.default': addresses,
    };
    expect(namesOf(dualStack)).toEqual({ ...elsewhere, reviews: addresses });
    expect(namesOf(dualStack, { namespace: 'shop' })).toEqual(elsewhere);
  });

  test('answers hosts of a ServiceEntry as they are, wildcards too', () => {
    const yaml = entry('api', 'hosts: [api.example.com, "*.wild.example.com"], addresses: [192.0.2.7]');
    expect(namesOf(yaml)).toEqual({ 'api.example.com': ['192.0.2.7'], '*.wild.example.com': ['192.0.2.7'] });
  });

  test('gives a service without an address the one that is allotted to it, where connections are intercepted', () => {
    const names = namesOf(serviceYaml('reviews') + entry('api', 'hosts: [api.example.com]'));
    expect(names['reviews']).toEqual([expect.stringMatching(/^240\.240\.\d+\.\d+$/)]);
    expect(names['reviews']).toEqual(names['reviews.default.svc.cluster.local']);
    expect(names['api.example.com']).toEqual([expect.stringMatching(/^240\.240\./)]);
    expect(names['api.example.com']).not.toEqual(names['reviews']);
    expect(namesOf(serviceYaml('reviews'), { isIntercepted: false })).toEqual({});
    expect(namesOf(dualStack, { isIntercepted: false })).toHaveProperty('reviews');
  });

  test('leaves to others what has no address to answer with', () => {
    const headless = withAddress(serviceYaml('database')).replace('clusterIPs: []', 'clusterIPs: [None]');
    const block = entry('block', 'hosts: [block.example.com], addresses: [192.168.0.0/16]');
    const wildcard = entry('wild', 'hosts: ["*.example.org"]');
    expect(namesOf(headless + block + wildcard)).toEqual({});
  });

  test('answers a headless service with all its workloads, and each of them by its own name', () => {
    const headless = withAddress(serviceYaml('db', { selector: '{ app: db }' })).replace(
      'clusterIPs: []',
      'clusterIPs: [None]',
    );
    const workloads = [
      sidecarWorkload({ service: 'db', name: 'db-0', address: '192.0.2.10' }),
      sidecarWorkload({ service: 'db', name: 'db-1', address: '2001:db8::11', interceptionMode: 'REDIRECT' }),
      sidecarWorkload({ service: 'db', name: 'not.a.label', address: '192.0.2.12' }),
    ];
    const all = ['192.0.2.10', '2001:db8::11', '192.0.2.12'];
    const spellings = ['db', 'db.default', 'db.default.svc', 'db.default.svc.cluster.local'];
    for (const isIntercepted of [true, false]) {
      expect(namesOf(headless, { isIntercepted }, workloads)).toEqual({
        ...Object.fromEntries(spellings.map((name) => [name, all])),
        ...Object.fromEntries(spellings.map((name) => [`db-0.${name}`, ['192.0.2.10']])),
        ...Object.fromEntries(spellings.map((name) => [`db-1.${name}`, ['2001:db8::11']])),
      });
    }
    // One with an address has that alone.
    expect(namesOf(serviceYaml('db'), {}, workloads)['db']).toEqual([expect.stringMatching(/^240\.240\./)]);
  });

  test('knows nothing of services that are not exported to its namespace', () => {
    const yaml = entry('api', 'hosts: [api.example.com], addresses: [192.0.2.7], exportTo: ["."]', 'shop');
    expect(namesOf(yaml)).toEqual({});
    expect(namesOf(yaml, { namespace: 'shop' })).toHaveProperty(['api.example.com']);
  });

  test('lets a declared name win over one that follows from another', () => {
    const names = namesOf(dualStack + entry('short', 'hosts: [reviews.default], addresses: [192.0.2.7]'));
    expect(names['reviews.default']).toEqual(['192.0.2.7']);
    expect(names['reviews.default.svc']).toEqual(['10.96.0.7', 'fd00::7']);
  });

  test('is one that Envoy takes', async (context) => {
    requirePeers(context, 'envoy');
    const yaml = dualStack + entry('api', 'hosts: [api.example.com, "*.wild.example.com"], addresses: [192.0.2.7]');
    const folder = mkdtempSync(join(tmpdir(), 'heddle-envoy-'));
    try {
      for (const listener of [listenerOf(yaml), listenerOf('')]) {
        const file = join(folder, 'bootstrap.json');
        writeFileSync(file, JSON.stringify({ static_resources: { listeners: [listener] } }));
        const { stdout } = await promisify(execFile)('envoy', ['--mode', 'validate', '-c', file, '-l', 'error']);
        expect(stdout).toContain('OK');
      }
    } finally {
      rmSync(folder, { recursive: true });
    }
  }, 30_000);
});
