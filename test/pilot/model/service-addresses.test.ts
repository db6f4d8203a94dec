import { describe, expect, test } from 'vitest';
import { allotAddresses } from '../../../pilot/model/service-addresses.ts';
import type { Service } from '../../../pilot/model/service.ts';
import { addressesOf } from '../../../pilot/model/push-context.ts';
import { contextOf, serviceYaml } from '../networking/scenario.ts';

const serviceOf = (hostname: string, more: Partial<Service> = {}): Service => ({
  hostname,
  name: hostname,
  namespace: 'default',
  ports: [],
  isMeshExternal: false,
  selector: undefined,
  endpoints: [],
  ...more,
});

describe('addresses of services that nobody gave one', () => {
  test('depend on the hostname alone: whoever asks, and in whatever company, gets the same', () => {
    const alone = allotAddresses([serviceOf('a')]).get('a');
    expect(alone).toMatch(/^240\.240\.\d{1,3}\.\d{1,3}$/);
    expect(allotAddresses([serviceOf('c'), serviceOf('b'), serviceOf('a')]).get('a')).toBe(alone);
  });

  test('are distinct, and a newer service never takes the address of an older one', () => {
    const names = Array.from({ length: 5000 }, (_, i) => `service-${i}.default.svc.cluster.local`);
    const all = allotAddresses(names.map((name) => serviceOf(name)));
    expect(new Set(all.values()).size).toBe(5000);
    // 5000 of 65,024 collide: the order decides who moves.
    const older = allotAddresses(names.slice(0, 2500).map((name) => serviceOf(name)));
    for (const [name, address] of older) expect(all.get(name)).toBe(address);
    for (const address of all.values()) expect(address).not.toMatch(/\.(?:0|255)$/);
  });

  test('end with the range: what comes later has none', () => {
    const many = Array.from({ length: 65_100 }, (_, i) => serviceOf(`s${i}`));
    const all = allotAddresses(many);
    expect(all.size).toBe(65_024);
    expect(all.has('s65099')).toBe(false);
  });

  test('are for hosts that can have one', () => {
    const services = [
      serviceOf('has-one', { addresses: ['10.0.0.1'] }),
      serviceOf('headless', { addresses: [] }),
      serviceOf('*.example.com', { resolution: 'STATIC' }),
      serviceOf('anywhere', { resolution: 'NONE' }),
      serviceOf('10.1.2.3'),
      serviceOf('looked-up', { resolution: 'DNS' }),
    ];
    expect([...allotAddresses(services).keys()]).toEqual(['looked-up']);
  });
});

describe('addresses of declared services', () => {
  const entry = `
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: db }
spec: { hosts: [db.example.com], addresses: [192.168.0.0/24, 10.9.9.9], ports: [{ number: 5432, name: tcp, protocol: TCP }], resolution: STATIC }
`;
  const yaml =
    serviceYaml('a') +
    serviceYaml('b').replace('spec: {', 'spec: { clusterIP: 10.96.0.7, clusterIPs: [10.96.0.7, "fd00::7"],') +
    serviceYaml('c').replace('spec: {', 'spec: { clusterIP: None,') +
    entry;
  const { config } = contextOf(yaml);
  const of = (hostname: string) => {
    const service = config.services.find(hostname);
    return service && addressesOf(service, config);
  };

  test('are those that they say', () => {
    expect(of('b.default.svc.cluster.local')).toEqual(['10.96.0.7', 'fd00::7']);
    expect(of('c.default.svc.cluster.local')).toEqual([]);
    expect(of('db.example.com')).toEqual(['192.168.0.0/24', '10.9.9.9']);
  });

  test('are allotted to the others', () => {
    expect(of('a.default.svc.cluster.local')).toEqual([config.allottedAddresses.get('a.default.svc.cluster.local')]);
    expect(config.allottedAddresses.size).toBe(1);
  });
});
