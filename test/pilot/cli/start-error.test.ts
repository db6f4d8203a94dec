import { Server, ServerCredentials } from '@grpc/grpc-js';
import { createServer, type AddressInfo, type Server as TcpServer } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { explainStartError } from '../../../pilot/cli/start-error.ts';

let occupant: TcpServer;
let port: number;

beforeAll(async () => {
  occupant = createServer();
  await new Promise<void>((resolve) => occupant.listen(0, '127.0.0.1', resolve));
  ({ port } = occupant.address() as AddressInfo);
});

afterAll(() => occupant.close());

test("Node's error about a taken port becomes one sentence", async () => {
  const error = await new Promise((resolve) => createServer().on('error', resolve).listen(port, '127.0.0.1'));
  expect(explainStartError(error)).toMatchObject({
    message: `port ${port} of 127.0.0.1 is taken by another process`,
    exitCode: 1,
  });
});

test("so does the gRPC library's", async () => {
  const server = new Server();
  const error = await new Promise((resolve) => {
    server.bindAsync(`127.0.0.1:${port}`, ServerCredentials.createInsecure(), (cause) => resolve(cause));
  });
  expect(explainStartError(error)).toMatchObject({ message: `port ${port} of 127.0.0.1 is taken by another process` });
});

test('an address of another machine is named', async () => {
  const error = await new Promise((resolve) => createServer().on('error', resolve).listen(0, '192.0.2.1'));
  expect(explainStartError(error)).toMatchObject({ message: 'this machine has no address 192.0.2.1' });
});

test('any other error stays what it is', () => {
  const error = new Error('the data directory is locked');
  expect(explainStartError(error)).toBe(error);
});
