import { describe, expect, test } from 'vitest';
import {
  defaultCaptureOptions,
  parseIpRanges,
  type CaptureOptions,
} from '../../../../pilot/cli/capture/capture-options.ts';
import { buildChains } from '../../../../pilot/cli/capture/rules.ts';
import { walk, type Fate, type Packet } from './packet-walk.ts';

const podAddress = '10.0.0.5';
const application = { 'meta skuid': 1000, 'meta skgid': 1000 };
const proxy = { 'meta skuid': 1337, 'meta skgid': 1337 };
const untouched: Fate = {};
const outbound: Fate = { to: 15_001 };
const inbound: Fate = { to: 15_006 };

function leaves(packet: Packet, options: Partial<CaptureOptions> = {}): Fate {
  const tcp = { 'meta l4proto': 'tcp', 'tcp dport': 80, oifname: 'eth0', ...application };
  return walk(buildChains({ ...defaultCaptureOptions, ...options }), 'output', { ...tcp, ...packet });
}

function arrives(packet: Packet, options: Partial<CaptureOptions> = {}): Fate {
  const tcp = {
    'meta l4proto': 'tcp',
    'tcp dport': 80,
    iifname: 'eth0',
    'ip saddr': '10.0.0.9',
    'ip daddr': podAddress,
  };
  return walk(buildChains({ ...defaultCaptureOptions, ...options }), 'prerouting', { ...tcp, ...packet });
}

function sendsQuery(packet: Packet, options: Partial<CaptureOptions> = {}): Fate {
  const udp = { 'meta l4proto': 'udp', 'udp dport': 53, oifname: 'eth0', 'ip daddr': '10.96.0.10', ...application };
  return walk(buildChains({ ...defaultCaptureOptions, ...options }), 'output', { ...udp, ...packet });
}

describe('a connection that leaves the pod', () => {
  test('goes through the sidecar, whatever its address and port', () => {
    expect(leaves({ 'ip daddr': '10.0.0.9' })).toEqual(outbound);
    expect(leaves({ 'ip6 daddr': '2001:db8::9', 'tcp dport': 6379 })).toEqual(outbound);
    expect(leaves({ 'ip daddr': '10.0.0.9' }, { outboundPort: 12_345 })).toEqual({ to: 12_345 });
  });

  test.each([
    ['user', { 'meta skuid': 1337 }],
    ['group', { 'meta skgid': 1337 }],
  ])("is left alone when it is the sidecar's, known by its %s", (_, owner) => {
    expect(leaves({ 'ip daddr': '10.0.0.9', ...owner })).toEqual(untouched);
    expect(leaves({ 'ip6 daddr': '2001:db8::9', ...owner })).toEqual(untouched);
  });

  test("is the sidecar's for every user and group that is named, and for no other", () => {
    const options = { proxyUid: [7, 8], proxyGid: [9] };
    for (const owner of [{ 'meta skuid': 7 }, { 'meta skuid': 8 }, { 'meta skgid': 9 }]) {
      expect(leaves({ 'ip daddr': '10.0.0.9', ...owner }, options)).toEqual(untouched);
    }
    expect(leaves({ 'ip daddr': '10.0.0.9', ...proxy }, options)).toEqual(outbound);
  });

  test('is left alone on an excluded interface', () => {
    const options = { excludeInterfaces: ['eth1', 'net0'] };
    expect(leaves({ 'ip daddr': '10.0.0.9', oifname: 'net0' }, options)).toEqual(untouched);
    expect(leaves({ 'ip daddr': '10.0.0.9' }, options)).toEqual(outbound);
  });

  test('is left alone when its port is excluded, though its range is included', () => {
    const options = { excludeOutboundPorts: [80, 443], includeOutboundIpRanges: parseIpRanges('10.0.0.0/8') };
    expect(leaves({ 'ip daddr': '10.0.0.9', 'tcp dport': 443 }, options)).toEqual(untouched);
    expect(leaves({ 'ip daddr': '10.0.0.9', 'tcp dport': 81 }, options)).toEqual(outbound);
  });

  test('is captured only in included ranges, and never in excluded ones within them', () => {
    const options = {
      includeOutboundIpRanges: parseIpRanges('10.0.0.0/8, 2001:db8::/32'),
      excludeOutboundIpRanges: parseIpRanges('10.1.0.0/16,2001:db8:1::/48'),
    };
    expect(leaves({ 'ip daddr': '10.0.0.9' }, options)).toEqual(outbound);
    expect(leaves({ 'ip daddr': '10.1.0.9' }, options)).toEqual(untouched);
    expect(leaves({ 'ip daddr': '11.0.0.9' }, options)).toEqual(untouched);
    expect(leaves({ 'ip6 daddr': '2001:db8::9' }, options)).toEqual(outbound);
    expect(leaves({ 'ip6 daddr': '2001:db8:1::9' }, options)).toEqual(untouched);
    expect(leaves({ 'ip6 daddr': '2001:db9::9' }, options)).toEqual(untouched);
  });

  test('is captured outside the ranges when its port is included, but not in an excluded range', () => {
    const options = {
      includeOutboundIpRanges: [],
      includeOutboundPorts: [5432],
      excludeOutboundIpRanges: parseIpRanges('10.1.0.0/16'),
    };
    expect(leaves({ 'ip daddr': '11.0.0.9', 'tcp dport': 5432 }, options)).toEqual(outbound);
    expect(leaves({ 'ip daddr': '10.1.0.9', 'tcp dport': 5432 }, options)).toEqual(untouched);
    expect(leaves({ 'ip daddr': '11.0.0.9' }, options)).toEqual(untouched);
  });

  test('is left alone when it is no TCP', () => {
    expect(sendsQuery({ 'udp dport': 443 })).toEqual(untouched);
    expect(sendsQuery({})).toEqual(untouched);
  });
});

describe('a pod that calls itself', () => {
  const self = { oifname: 'lo' };

  test('over loopback or its own address is left alone', () => {
    for (const address of [{ 'ip daddr': '127.0.0.1' }, { 'ip6 daddr': '::1' }, { 'ip daddr': podAddress }]) {
      expect(leaves({ ...self, ...address })).toEqual(untouched);
    }
  });

  test("through its own service passes the inbound side too: the sidecar calls the pod's address", () => {
    expect(leaves({ ...self, ...proxy, 'ip daddr': podAddress })).toEqual(inbound);
    expect(leaves({ ...self, ...proxy, 'ip6 daddr': '2001:db8::5' })).toEqual(inbound);
    expect(leaves({ ...self, 'meta skgid': 1337, 'ip daddr': podAddress })).toEqual(inbound);
  });

  test('ends there: the sidecar reaches the application over loopback, or from the address that is its own for that', () => {
    expect(leaves({ ...self, ...proxy, 'ip daddr': '127.0.0.1' })).toEqual(untouched);
    expect(leaves({ ...self, ...proxy, 'ip6 daddr': '::1' })).toEqual(untouched);
    expect(leaves({ ...self, ...proxy, 'ip saddr': '127.0.0.6', 'ip daddr': podAddress })).toEqual(untouched);
    expect(leaves({ ...self, ...proxy, 'ip6 saddr': '::6', 'ip6 daddr': '2001:db8::5' })).toEqual(untouched);
  });

  test('is captured where a loopback range is included, but at 127.0.0.1 itself', () => {
    const options = { includeOutboundIpRanges: parseIpRanges('127.1.2.3/32') };
    expect(leaves({ ...self, 'ip daddr': '127.1.2.3' }, options)).toEqual(outbound);
    expect(leaves({ ...self, 'ip daddr': '127.0.0.1' }, options)).toEqual(untouched);
    expect(leaves({ ...self, 'ip daddr': podAddress }, options)).toEqual(untouched);
  });
});

describe('a connection that arrives', () => {
  test('goes through the sidecar, but to the ports of the sidecar itself', () => {
    expect(arrives({})).toEqual(inbound);
    expect(arrives({ 'tcp dport': 1 }, { inboundPort: 12_345 })).toEqual({ to: 12_345 });
    for (const port of [15_020, 15_021, 15_090]) expect(arrives({ 'tcp dport': port })).toEqual(untouched);
  });

  test('is left alone at an excluded port or interface; the ports of the sidecar stay excluded', () => {
    const options = { excludeInboundPorts: [22], excludeInterfaces: ['eth1'] };
    expect(arrives({ 'tcp dport': 22 }, options)).toEqual(untouched);
    expect(arrives({ 'tcp dport': 15_090 }, options)).toEqual(untouched);
    expect(arrives({ iifname: 'eth1' }, options)).toEqual(untouched);
    expect(arrives({}, options)).toEqual(inbound);
  });

  test('is captured at the included ports alone, or nowhere', () => {
    const options = { includeInboundPorts: [80, 15_090] };
    expect(arrives({}, options)).toEqual(inbound);
    expect(arrives({ 'tcp dport': 15_090 }, options)).toEqual(inbound);
    expect(arrives({ 'tcp dport': 81 }, options)).toEqual(untouched);
    expect(arrives({}, { includeInboundPorts: [] })).toEqual(untouched);
  });

  test('is left alone when it is no TCP', () => {
    expect(arrives({ 'meta l4proto': 'udp', 'udp dport': 80 })).toEqual(untouched);
  });
});

describe('TPROXY', () => {
  const mode = { interceptionMode: 'TPROXY' } as const;
  const taken: Fate = { to: 15_006, isTransparent: true, mark: 1337 };

  test('takes over what arrives without changing it, with the same choice of ports', () => {
    expect(arrives({}, mode)).toEqual(taken);
    const ipv6 = { 'meta l4proto': 'tcp', 'tcp dport': 80, iifname: 'eth0', 'ip6 daddr': '2001:db8::5' };
    expect(walk(buildChains({ ...defaultCaptureOptions, ...mode }), 'prerouting', ipv6)).toEqual(taken);
    expect(arrives({ 'tcp dport': 15_021 }, mode)).toEqual(untouched);
    expect(arrives({ 'tcp dport': 81 }, { ...mode, includeInboundPorts: [80] })).toEqual(untouched);
    expect(arrives({ iifname: 'eth1' }, { ...mode, excludeInterfaces: ['eth1'] })).toEqual(untouched);
    expect(arrives({}, { ...mode, includeInboundPorts: [] })).toEqual(untouched);
  });

  test('leads what leaves to the same port as REDIRECT does', () => {
    expect(leaves({ 'ip daddr': '10.0.0.9' }, mode)).toEqual(outbound);
    expect(leaves({ 'ip daddr': '10.0.0.9', ...proxy }, mode)).toEqual(untouched);
  });

  test('takes over the calls of the sidecar to its own pod, and no other that arrives through loopback', () => {
    const self = { 'ip saddr': podAddress, 'ip daddr': podAddress };
    const { mark = 0, to } = leaves({ oifname: 'lo', ...proxy, ...self }, mode);
    expect([mark, to]).toEqual([1338, undefined]);
    expect(arrives({ iifname: 'lo', ...self, 'meta mark': mark }, mode)).toEqual(taken);

    expect(leaves({ oifname: 'lo', ...self }, mode)).toEqual(untouched);
    expect(arrives({ iifname: 'lo', ...self }, mode)).toEqual(untouched);
  });

  test('leaves the calls of the sidecar to the application alone', () => {
    const fromOwn = { 'ip saddr': '127.0.0.6', 'ip daddr': podAddress };
    const { mark = 0 } = leaves({ oifname: 'lo', ...proxy, ...fromOwn }, mode);
    expect(arrives({ iifname: 'lo', ...fromOwn, 'meta mark': mark }, mode)).toEqual(untouched);

    const fromCaller = { 'ip saddr': '10.0.0.9', 'ip daddr': podAddress, 'meta mark': 1337 };
    expect(leaves({ oifname: 'lo', ...proxy, ...fromCaller }, mode)).toEqual(untouched);
    // The connection keeps the mark, so that the answers can have it too.
    expect(arrives({ iifname: 'lo', ...fromCaller }, mode)).toEqual({ connectionMark: 1337 });
  });

  test('leads the answers of the application to the sidecar that called it in the name of the caller', () => {
    const answer = { 'ip saddr': podAddress, 'ip daddr': '10.0.0.9', 'ct mark': 1337, 'tcp dport': 40_000 };
    expect(leaves(answer, mode)).toMatchObject({ mark: 1337 });
  });
});

describe('DNS', () => {
  const options = { redirectDns: true };

  test('queries of the application go to the sidecar over UDP and TCP, those of the sidecar to their resolver', () => {
    expect(sendsQuery({}, options)).toMatchObject({ to: 15_053 });
    expect(sendsQuery({ oifname: 'lo', 'ip daddr': '127.0.0.53' }, options)).toMatchObject({ to: 15_053 });
    expect(leaves({ 'tcp dport': 53, 'ip daddr': '10.96.0.10' }, { ...options, dnsPort: 5353 })).toEqual({ to: 5353 });
    expect(sendsQuery(proxy, options).to).toBeUndefined();
    expect(leaves({ 'tcp dport': 53, 'ip daddr': podAddress, oifname: 'lo', ...proxy }, options)).toEqual(untouched);
  });

  test('queries of the application and of the sidecar are told apart, whatever ports they come from', () => {
    const chains = buildChains({ ...defaultCaptureOptions, ...options });
    const answer = walk(chains, 'prerouting', { 'meta l4proto': 'udp', 'udp sport': 53, 'udp dport': 4000 });
    const [fromProxy, fromApplication] = [sendsQuery(proxy, options).zone, sendsQuery({}, options).zone];
    expect(fromProxy).not.toBe(fromApplication);
    expect(answer.zone).toBe(fromProxy);
    expect(sendsQuery({ 'udp dport': 4000, 'udp sport': 15_053, ...proxy }, options).zone).toBe(fromApplication);
  });

  test('is left alone unless it is asked for, and at an excluded port', () => {
    expect(sendsQuery({})).toEqual(untouched);
    expect(sendsQuery({}, { ...options, excludeOutboundPorts: [53] }).to).toBeUndefined();
  });

  test('the rest of the traffic goes its way as before', () => {
    expect(leaves({ 'ip daddr': '10.0.0.9' }, options)).toEqual(outbound);
    expect(leaves({ oifname: 'lo', 'ip daddr': podAddress }, options)).toEqual(untouched);
    expect(leaves({ oifname: 'lo', ...proxy, 'ip daddr': podAddress }, options)).toEqual(inbound);
  });
});
