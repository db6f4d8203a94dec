import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import type { ProxySyncStatus, TypeSyncStatus } from '../../../pilot/xds/sync-status.ts';
import { runCommand, type Ran } from '../../support/command.ts';

let server: Server;

afterEach(() => server.close());

async function showStatuses(statuses: readonly ProxySyncStatus[], ...args: string[]): Promise<Ran> {
  server = createServer((request, response) => {
    response.writeHead(request.url === '/debug/syncz' ? 200 : 404).end(JSON.stringify(statuses));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return runCommand({ args: ['proxy-status', '--server', address, ...args] });
}

const synced: TypeSyncStatus = { status: 'SYNCED' };
const inRotation: ProxySyncStatus['workload'] = { status: 'IN ROTATION' };
const proxy = (
  name: string,
  types: Partial<ProxySyncStatus['types']> = {},
  workload = inRotation,
): ProxySyncStatus => ({
  proxy: name,
  nodeId: `sidecar~${name}`,
  connectedAt: '2026-01-31T12:00:00.000Z',
  workload,
  types: { CDS: synced, EDS: synced, LDS: synced, RDS: synced, ...types },
});

describe('heddle proxy-status', () => {
  test('has one line per sidecar and one column per type', async () => {
    const { code, stdout } = await showStatuses([proxy('a.default'), proxy('b.default', { RDS: { status: 'STALE' } })]);
    expect(code).toBe(0);
    const [heads = '', first = '', second = ''] = stdout.split('\n').map((line) => line.replaceAll(/ {2,}/g, '|'));
    expect(heads.split('|').toSorted()).toEqual(['CDS', 'EDS', 'LDS', 'NAME', 'RDS', 'WORKLOAD']);
    expect(first).toBe('a.default|SYNCED|SYNCED|SYNCED|SYNCED|IN ROTATION');
    expect(second.split('|')[heads.split('|').indexOf('RDS')]).toBe('STALE');
  });

  test('tells why a sidecar refused', async () => {
    const { stdout } = await showStatuses([
      proxy('a.default', { LDS: { status: 'NACK', reason: 'port: must be <= 65535' } }),
    ]);
    expect(stdout).toMatch(/NACK/);
    expect(stdout).toMatch(/^a\.default refused LDS: port: must be <= 65535$/m);
  });

  test('tells which workloads take no traffic, and why', async () => {
    const { stdout } = await showStatuses([
      proxy('a.default', {}, { status: 'UNHEALTHY', reason: 'nobody listens' }),
      proxy('b.default', {}, { status: 'CLIENT' }),
    ]);
    expect(stdout).toMatch(/^a\.default .* UNHEALTHY$/m);
    expect(stdout).toMatch(/^b\.default .* CLIENT$/m);
    expect(stdout.match(/not ready.*/g)).toEqual(['not ready: nobody listens']);
  });

  test('-o json prints what pilot said', async () => {
    const statuses = [proxy('a.default')];
    expect(JSON.parse((await showStatuses(statuses, '-o', 'json')).stdout)).toEqual(statuses);
  });

  test('no sidecar is said, not shown as an empty table', async () => {
    expect((await showStatuses([])).stdout).toBe('No sidecar is connected.\n');
  });
});
