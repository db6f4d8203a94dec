import { describe, expect, test } from 'vitest';
import type { OpenLoopTurn } from '../../../bench/open-loop/report.ts';
import type { Peer, Scene } from '../../../bench/peers/peer.ts';
import { twoOf } from '../../../bench/two-sidecars/peers.ts';
import { formatTwoSidecarsReport, twoSidecarsRow } from '../../../bench/two-sidecars/report.ts';

const peer: Peer = {
  name: 'heddle',
  setup: 'as it comes',
  probe: () => ({ version: '1' }),
  start: () => Promise.reject(new Error('not started here')),
};

function turn(p50Us: number, p99Us: number): OpenLoopTurn {
  const percentiles = { p50Us, p99Us, p999Us: p99Us, maxUs: p99Us };
  return { result: { requests: 100, waited: 0, latency: percentiles, lateness: percentiles } };
}

describe('the latency of two sidecars', () => {
  test('is what a request takes more than without proxies in the same round', () => {
    const { row, added } = twoSidecarsRow(
      peer,
      [turn(300, 900), turn(500, 1_000), turn(400, 700)],
      [turn(100, 200), turn(350, 400), turn(100, 200)],
    );
    expect(row).toMatchObject({ status: 'measured', latency: { p50Us: { median: 400 } } });
    expect(added?.p50Us).toEqual({ median: 200, min: 150, max: 300 });
    expect(added?.p99Us).toEqual({ median: 600, min: 500, max: 700 });
  });

  test('is not told where no round was without proxies', () => {
    expect(twoSidecarsRow(peer, [turn(300, 900)], [{ failure: 'it broke' }]).added).toBeUndefined();
    expect(twoSidecarsRow(peer, [turn(300, 900)], []).added).toBeUndefined();
  });

  test('is reported in one line per program', () => {
    const options = {
      only: undefined,
      rounds: 1,
      seconds: 1,
      warmupSeconds: 1,
      connections: 64,
      json: undefined,
      rate: 1_000,
    };
    const machine = { cpu: 'a', cores: 2, kernel: 'k', node: 'v' };
    const rows = [twoSidecarsRow(peer, [turn(300, 900)], [turn(100, 200)])];
    const text = formatTwoSidecarsReport({ machine, peers: [], options, bodyBytes: 100, rows });
    expect(text).toMatch(/^heddle\s+300\s+900\s+200\s+200 – 200\s+700\s+700 – 700\s+900$/m);
  });
});

test('the server sidecar stands in front of the backend, the client sidecar in front of the server sidecar', async () => {
  const ways: string[] = [];
  const started = { pid: 1, failure: () => undefined };
  const scene: Scene = {
    port: 1,
    backend: { ports: [2, 3] },
    directory: '',
    writeFile: (name) => name,
    startProxy: (_argv, port) => {
      ways.push(`waits for ${port ?? 'the port of the scene'}`);
      return Promise.resolve(started);
    },
    startHelper: () => Promise.resolve(started),
  };
  const way: Peer = {
    ...peer,
    start(at) {
      ways.push(`${at.writeFile('proxy.yaml', '')} ${at.port} → ${at.backend.ports[0]}`);
      return at.startProxy([]);
    },
  };
  await twoOf(way).start(scene);
  const server = /^server-proxy\.yaml (\d+) → 2$/.exec(ways[0] ?? '')?.[1];
  expect(server).toBeDefined();
  expect(ways.slice(1)).toEqual([`waits for ${server}`, `proxy.yaml 1 → ${server}`, 'waits for the port of the scene']);
});
