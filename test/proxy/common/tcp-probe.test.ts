import { once } from 'node:events';
import { connect, createServer, type AddressInfo } from 'node:net';
import { describe, expect, test } from 'vitest';
import { isConnectedToItself, probeTcp } from '../../../proxy/common/tcp-probe.ts';
import { closeAfterTest } from '../../support/closing.ts';
import { unusedPort } from '../../support/unused-port.ts';

const address = '127.0.0.1';

async function listen(): Promise<number> {
  const server = closeAfterTest(createServer());
  server.listen(0, address);
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

describe('a TCP probe', () => {
  test('finds no fault where somebody listens', async () => {
    expect(await probeTcp({ address, port: await listen(), timeoutMs: 5000 })).toBeUndefined();
  });

  test('says that the connection was refused where nobody does', async () => {
    const port = await unusedPort();
    const fault = await probeTcp({ address, port, timeoutMs: 5000 });
    expect(fault).toBe(`connecting to 127.0.0.1:${port} failed: ECONNREFUSED`);
  });

  test('does not wait for an answer longer than it was told to', async () => {
    // An address for documentation (RFC 5737): no answer, or where there is no network, an error at once.
    const fault = await probeTcp({ address: '192.0.2.1', port: 9, timeoutMs: 20 });
    expect(fault).toMatch(/^connecting to 192\.0\.2\.1:9 failed: (no answer within 20 ms|E[A-Z]+)$/);
  });

  test('a socket that the system connected to itself is recognised', async () => {
    const port = await unusedPort();
    const itself = closeAfterTest(connect({ host: address, port, localAddress: address, localPort: port }));
    await once(itself, 'connect');
    expect(isConnectedToItself(itself)).toBe(true);
    const other = closeAfterTest(connect({ host: address, port: await listen() }));
    await once(other, 'connect');
    expect(isConnectedToItself(other)).toBe(false);
  });
});
