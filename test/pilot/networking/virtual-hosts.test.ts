import { describe, expect, test } from 'vitest';
import { buildOutboundHosts, type OutboundHost } from '../../../pilot/networking/virtual-hosts.ts';
import { contextOf, serviceYaml, sidecarWorkload, virtualServiceYaml } from './scenario.ts';

function hostsOf(yaml: string, namespace = 'default'): OutboundHost[] {
  const all = buildOutboundHosts(contextOf(yaml).config, { namespace });
  return all.filter(({ virtualHost }) => virtualHost.name !== 'allow_any');
}

function domainsOf(yaml: string, { namespace = 'default', name = '' } = {}): string[] | undefined {
  return hostsOf(yaml, namespace).find(({ virtualHost }) => virtualHost.name === name)?.virtualHost.domains;
}

const namesOf = (yaml: string): (string | undefined)[] => hostsOf(yaml).map(({ virtualHost }) => virtualHost.name);

const externalService = `
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: api }
spec:
  hosts: [api.example.com]
  ports: [{ number: 80, name: http, protocol: HTTP }]
  resolution: STATIC
  endpoints: [{ address: 192.0.2.1 }]
`;

describe('virtual hosts', () => {
  test('a service is addressed in all spellings, with and without its port', () => {
    expect(domainsOf(serviceYaml('reviews'), { name: 'reviews.default.svc.cluster.local:80' })).toEqual([
      'reviews.default.svc.cluster.local',
      'reviews.default.svc.cluster.local:80',
      'reviews.default.svc.cluster.local.',
      'reviews.default.svc.cluster.local.:80',
      'reviews.default.svc',
      'reviews.default.svc:80',
      'reviews.default',
      'reviews.default:80',
      'reviews',
      'reviews:80',
    ]);
  });

  test('the name alone is only known in the own namespace of the service', () => {
    const name = 'reviews.default.svc.cluster.local:80';
    expect(domainsOf(serviceYaml('reviews'), { name, namespace: 'shop' })).not.toContain('reviews');
    expect(domainsOf(serviceYaml('reviews'), { name, namespace: 'shop' })).toContain('reviews.default');
  });

  test('a host without a port means the only port, whatever its number', () => {
    const yaml = serviceYaml('reviews', { ports: '[{ name: http, port: 9080 }]' });
    const domains = domainsOf(yaml, { name: 'reviews.default.svc.cluster.local:9080' });
    expect(domains).toEqual(expect.arrayContaining(['reviews', 'reviews:9080']));
    expect(domains).not.toContain('reviews:80');
  });

  test('of several ports a host without one means 80, else the first HTTP port', () => {
    const bare = (ports: string): (string | undefined)[] =>
      hostsOf(serviceYaml('reviews', { ports }))
        .filter(({ virtualHost }) => virtualHost.domains?.includes('reviews'))
        .map(({ virtualHost }) => virtualHost.name);
    expect(bare('[{ name: http-a, port: 81 }, { name: http, port: 80 }]')).toEqual([
      'reviews.default.svc.cluster.local:80',
    ]);
    expect(bare('[{ name: tcp-a, port: 90 }, { name: http-b, port: 81 }, { name: http-c, port: 82 }]')).toEqual([
      'reviews.default.svc.cluster.local:81',
    ]);
  });

  test('ports of other protocols have no virtual host', () => {
    const ports = '[{ name: tcp-a, port: 90 }, { name: db, port: 91, appProtocol: mysql }, { name: web, port: 92 }]';
    expect(namesOf(serviceYaml('reviews', { ports }))).toEqual(['reviews.default.svc.cluster.local:92']);
  });

  test('a service that nobody declared has one HTTP port, 80', () => {
    const { config } = contextOf('', [sidecarWorkload()]);
    const [host] = buildOutboundHosts(config, { namespace: 'default' });
    expect(host?.virtualHost.name).toBe('reviews.default.svc.cluster.local:80');
    expect(host?.isMeshInternal).toBe(true);
  });

  test('a host outside the cluster is addressed by its full name, and is not told who calls', () => {
    const [host] = hostsOf(externalService);
    expect(host?.virtualHost.domains).toEqual([
      'api.example.com',
      'api.example.com:80',
      'api.example.com.',
      'api.example.com.:80',
    ]);
    expect(host?.isMeshInternal).toBe(false);
  });

  test('no domain is claimed twice: a full name beats the short spelling of another', () => {
    const entry = externalService.replace('[api.example.com]', '[reviews.default]');
    const domains = hostsOf(serviceYaml('reviews') + entry).flatMap(({ virtualHost }) => virtualHost.domains ?? []);
    expect(new Set(domains).size).toBe(domains.length);
    expect(domainsOf(serviceYaml('reviews') + entry, { name: 'reviews.default:80' })).toContain('reviews.default');
    expect(domainsOf(serviceYaml('reviews') + entry, { name: 'reviews.default.svc.cluster.local:80' })).toContain(
      'reviews',
    );
  });

  test('a host that only rules know is served at port 80', () => {
    const rules = virtualServiceYaml('[{ route: [{ destination: { host: reviews } }] }]', {
      hosts: '[shop.example.com]',
    });
    const host = hostsOf(serviceYaml('reviews') + rules).at(-1);
    expect(host?.virtualHost.domains).toEqual(expect.arrayContaining(['shop.example.com', 'shop.example.com:80']));
    expect(host?.virtualHost.routes?.[0]?.route?.cluster).toBe('outbound|80||reviews.default.svc.cluster.local');
    expect(host?.isMeshInternal).toBe(true);
  });

  test('a rule that leads out of the mesh is not told who calls', () => {
    const rules = virtualServiceYaml('[{ route: [{ destination: { host: api.example.com } }] }]', {
      hosts: '[shop.example.com]',
    });
    expect(hostsOf(externalService + rules).at(-1)?.isMeshInternal).toBe(false);
  });

  test('a wildcard host rules the services it covers; covering none it is a virtual host', () => {
    const http = '[{ route: [{ destination: { host: reviews } }] }]';
    const covering =
      serviceYaml('reviews') + externalService + virtualServiceYaml(http, { hosts: '["*.example.com"]' });
    expect(namesOf(covering)).toEqual(['api.example.com:80', 'reviews.default.svc.cluster.local:80']);
    expect(hostsOf(covering)[0]?.virtualHost.routes?.[0]?.route?.cluster).toMatch(/reviews/);
    const alone = serviceYaml('reviews') + virtualServiceYaml(http, { hosts: '["*.example.com"]' });
    expect(domainsOf(alone, { name: '*.example.com:80' })).toEqual(['*.example.com', '*.example.com:80']);
  });

  test('of two VirtualServices for one host the oldest rules', () => {
    const rules = (name: string, host: string) =>
      virtualServiceYaml(`[{ route: [{ destination: { host: ${host} } }] }]`, { name });
    const [host] = hostsOf(serviceYaml('reviews') + rules('z-old', 'first') + rules('a-young', 'second'));
    expect(host?.virtualHost.routes?.[0]?.route?.cluster).toBe('outbound|80||first.default.svc.cluster.local');
  });
});
