import type { Socket } from 'node:net';
import { describe, expect, test } from 'vitest';
import type { Listener } from '../../../proxy/api/listener.ts';
import { factsOf } from '../../../proxy/listener/connection-facts.ts';

const listener: Listener = {
  name: 'test',
  address: '127.0.0.1',
  port: 15_001,
  additionalAddresses: [],
  bindsToPort: true,
  usesOriginalDestination: false,
  isTransparent: false,
  trafficDirection: 'UNSPECIFIED',
  inspection: { originalDestination: false, tls: undefined, http: undefined, timeoutMs: 0, continuesOnTimeout: false },
  filterChains: [],
  defaultFilterChain: undefined,
  accessLogs: [],
};

/** Counts how often it is asked for its own address, which is a system call. */
class StubSocket {
  asked = 0;
  readonly remoteAddress = '::ffff:192.0.2.7';
  readonly remotePort = 4_000;
  readonly localPort = 80;

  get localAddress(): string {
    this.asked += 1;
    return '192.0.2.1';
  }
}

function factsAt(changes: Partial<Listener>): { facts: ReturnType<typeof factsOf>; asked: number } {
  const socket = new StubSocket();
  const facts = factsOf(socket as unknown as Socket, { ...listener, ...changes });
  return { facts, asked: socket.asked };
}

test('a connection of a listener at one IPv4 address was meant for it: its socket is not asked', () => {
  expect(factsAt({})).toMatchObject({
    facts: {
      destinationAddress: '127.0.0.1',
      destinationPort: 15_001,
      sourceAddress: '192.0.2.7',
      sourcePort: 4_000,
    },
    asked: 0,
  });
});

describe('its own address says where a connection was meant to go when its listener', () => {
  test.each<[string, Partial<Listener>]>([
    ['listens at every address', { address: '0.0.0.0' }],
    ['listens at an address of IPv6', { address: '0:0:0:0:0:0:0:1' }],
    ['listens at several addresses', { additionalAddresses: [{ address: '127.0.0.2', port: 15_001 }] }],
    ['listens at several ports', { additionalAddresses: [{ address: '127.0.0.1', port: 15_002 }] }],
    ['has a port that the system chose', { port: 0 }],
    ['takes connections to any address', { isTransparent: true }],
  ])('%s', (_, changes) => {
    const { facts, asked } = factsAt(changes);
    expect(facts).toMatchObject({ destinationAddress: '192.0.2.1', destinationPort: 80 });
    expect(asked).toBeGreaterThan(0);
  });
});
