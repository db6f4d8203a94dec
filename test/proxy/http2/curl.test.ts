/** curl, whose HTTP/2 is that of nghttp2, by prior knowledge. */
import { execFile } from 'node:child_process';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { findExecutable } from '../../../bench/executable.ts';
import { digestOf, randomBytes } from '../../support/http2/bodies.ts';
import { type Handler, type Protocol, protocols, readRequest } from '../../support/http2/node-peers.ts';
import { Pair } from '../../support/http2/pairs.ts';
import { requirePeers } from '../../support/peers.ts';

const pairs = {} as Record<Protocol, Pair>;

const answerDigest: Handler = (request, response) => {
  void readRequest(request).then((body) => {
    response.writeHead(200, { 'x-digest': digestOf(body), 'x-method': request.method ?? '' });
    response.end(randomBytes(Number(request.headers['x-bytes'] ?? 0), 3));
  });
};

beforeAll(async () => {
  for (const protocol of protocols) {
    pairs[protocol] = await Pair.start(protocol);
    pairs[protocol].server.respond = answerDigest;
  }
});
beforeEach((context) => requirePeers(context, 'curl'));
afterAll(async () => {
  for (const protocol of protocols) {
    await pairs[protocol].proxy.untilQuiet();
    await pairs[protocol].close();
  }
});

/** What it wrote, with the headers of the response in front of its body. */
function curl(args: readonly string[], input: Buffer = Buffer.alloc(0)): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const always = ['--silent', '--show-error', '--include', '--max-time', '20'];
    const options = { encoding: 'buffer', maxBuffer: 64 * 1_048_576 } as const;
    const child = execFile(findExecutable('curl') ?? '', [...always, ...args], options, (error, output, errors) => {
      if (error === null) resolve(output);
      else reject(new Error(`${error.message} ${errors.toString()}`));
    });
    child.stdin?.end(input);
  });
}

function split(output: Buffer): { readonly head: string; readonly body: Buffer } {
  const end = output.lastIndexOf('\r\n\r\n', output.indexOf('x-digest') + 2_000) + 4;
  return { head: output.toString('latin1', 0, end), body: output.subarray(end) };
}

describe.each(protocols)('curl by HTTP/2 to a server of %s', (upstream) => {
  it('gets', async () => {
    const { port } = pairs[upstream].proxy;
    const { head } = split(await curl(['--http2-prior-knowledge', `http://127.0.0.1:${port}/a?b`]));
    expect(head).toMatch(/^HTTP\/2 200 \r\n/);
    expect(head).toContain('x-method: GET');
  });

  it.each([0, 1, 100_000, 5_000_000])('posts %i bytes and gets as many', async (bytes) => {
    const { port } = pairs[upstream].proxy;
    const body = randomBytes(bytes);
    const args = ['--http2-prior-knowledge', '-H', `x-bytes: ${bytes}`, '--data-binary', '@-'];
    const { head, body: answer } = split(await curl([...args, `http://127.0.0.1:${port}/`], body));
    expect(head).toContain(`x-digest: ${digestOf(body)}`);
    expect(digestOf(answer)).toBe(digestOf(randomBytes(bytes, 3)));
  });

  it('uploads a stream of unknown length', async () => {
    const { port } = pairs[upstream].proxy;
    const body = randomBytes(300_000);
    const output = await curl(['--http2-prior-knowledge', '-T', '-', `http://127.0.0.1:${port}/`], body);
    expect(output.toString('latin1')).toContain(`x-digest: ${digestOf(body)}`);
  });

  it('heads', async () => {
    const { port } = pairs[upstream].proxy;
    const output = await curl(['--http2-prior-knowledge', '--head', `http://127.0.0.1:${port}/`]);
    expect(output.toString('latin1')).toContain('x-method: HEAD');
  });

  it('asks for an upgrade from HTTP/1.1, which nobody has to grant, and is answered', async () => {
    const { port } = pairs[upstream].proxy;
    const output = await curl(['--http2', `http://127.0.0.1:${port}/`]);
    expect(output.toString('latin1')).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    expect(output.toString('latin1')).toContain('x-method: GET');
  });
});
