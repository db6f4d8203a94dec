import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { ApiClient } from '../../../pilot/cli/api-client.ts';

let server: Server | undefined;

const serve = async (listener: RequestListener): Promise<ApiClient> => {
  server = createServer(listener);
  await new Promise<void>((resolve) => server?.listen(0, '127.0.0.1', resolve));
  return new ApiClient(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
};

afterEach(() => server?.close());

describe("pilot's API as the commands see it", () => {
  test('a call sends JSON and returns status and decoded body', async () => {
    const client = await serve((request, response) => {
      let text = '';
      request.on('data', (part: Buffer) => (text += part.toString()));
      request.on('end', () => {
        const { method, url, headers } = request;
        response.writeHead(201).end(JSON.stringify({ method, url, type: headers['content-type'], text }));
      });
    });
    expect(await client.call('POST', '/apply', [1])).toEqual({
      status: 201,
      body: { method: 'POST', url: '/apply', type: 'application/json', text: '[1]' },
    });
    await client.close();
  });

  test('a refusal carries the sentence of the server, exit code 1', async () => {
    const client = await serve((_, response) =>
      response.writeHead(404).end('{"kind":"Status","message":"vs x not found"}'),
    );
    await expect(client.require('GET', '/x')).rejects.toMatchObject({ message: 'vs x not found', exitCode: 1 });
    await client.close();
  });

  test('a refusal without a sentence names its status', async () => {
    const client = await serve((_, response) => response.writeHead(500).end());
    await expect(client.require('GET', '/x')).rejects.toThrow('pilot answered with HTTP status 500');
    await client.close();
  });

  test('nobody listens: the address is named and the exit code is 3', async () => {
    const client = new ApiClient('http://127.0.0.1:1');
    await expect(client.call('GET', '/')).rejects.toMatchObject({
      exitCode: 3,
      message:
        'pilot\'s API at http://127.0.0.1:1 cannot be reached: connection refused. Is "heddle up" running there?',
    });
    await client.close();
  });

  test('something else than pilot listens: exit code 3', async () => {
    const client = await serve((_, response) => response.end('<html>'));
    await expect(client.call('GET', '/')).rejects.toMatchObject({
      exitCode: 3,
      message: expect.stringContaining('not JSON'),
    });
    await client.close();
  });

  test('a connection that is cut is no answer', async () => {
    const client = await serve((request) => request.socket.destroy());
    await expect(client.call('GET', '/')).rejects.toMatchObject({ exitCode: 3 });
    await client.close();
  });
});
