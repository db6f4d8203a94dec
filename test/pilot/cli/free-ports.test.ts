import { createServer, type AddressInfo } from 'node:net';
import { expect, test } from 'vitest';
import { findFreePorts } from '../../../pilot/cli/free-ports.ts';

test('free ports are distinct, below the range of outgoing connections, and really free', async () => {
  const ports = [...(await findFreePorts(3)), ...(await findFreePorts(2))];
  expect(new Set(ports).size).toBe(5);
  for (const port of ports) {
    expect(port).toBeGreaterThanOrEqual(20_000);
    expect(port).toBeLessThan(32_000);
    const server = createServer();
    await new Promise<void>((resolve, reject) => server.on('error', reject).listen(port, '127.0.0.1', resolve));
    expect((server.address() as AddressInfo).port).toBe(port);
    await new Promise((resolve) => server.close(resolve));
  }
});

test('a port that is taken is passed over', async () => {
  const [next = 0] = await findFreePorts(1);
  const server = createServer();
  await new Promise<void>((resolve, reject) => server.on('error', reject).listen(next + 1, '127.0.0.1', resolve));
  expect(await findFreePorts(1)).not.toEqual([next + 1]);
  await new Promise((resolve) => server.close(resolve));
});

test('a port that is reserved is passed over, though nobody listens there yet', async () => {
  const [first = 0] = await findFreePorts(1);
  const reserved = Array.from({ length: 20 }, (_, i) => first + i);
  const found = await findFreePorts(5, '127.0.0.1', reserved);
  expect(found).toHaveLength(5);
  expect(found.filter((port) => reserved.includes(port))).toEqual([]);
});
