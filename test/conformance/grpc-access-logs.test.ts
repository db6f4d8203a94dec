/** What access logs tell of calls of gRPC: how they ended, which the status of HTTP does not say. */
import { status as Status } from '@grpc/grpc-js';
import { expect, test } from 'vitest';
import type { MeshConfig } from '../../crds/mesh-config.ts';
import { destinationRule, virtualService } from '../simulation/yaml.ts';
import { AccessLogFile } from '../support/grpc/access-log-file.ts';
import { type Answering, failWith, GrpcBackend } from '../support/grpc/grpc-backend.ts';
import {
  addWorkload,
  clusterOf,
  type GrpcMesh,
  startGrpcMesh,
  toCart,
  untilEndpoints,
} from '../support/grpc/grpc-mesh.ts';
import { besideEachSidecar } from './live-mesh.ts';

interface Started extends GrpcMesh {
  readonly backend: GrpcBackend;
  readonly log: AccessLogFile;
}

async function start(accessLogFormat: string, yaml = '', more: MeshConfig = {}): Promise<Started> {
  const log = new AccessLogFile();
  const backend = await GrpcBackend.start('v1');
  const meshConfig = { accessLogFile: log.path, accessLogFormat, ...more };
  const started = await startGrpcMesh({ servers: [backend], yaml, pilot: { meshConfig } });
  return { ...started, backend, log };
}

/** Fails behind the head of its response. */
const failLate: Answering = (call, answer) => {
  call.sendMetadata(call.metadata);
  answer({ code: Status.ABORTED, details: 'too late' });
};

besideEachSidecar((sidecar) => {
  test('an access log has the status of a call, wherever in the response that stood, in all its spellings', async () => {
    const { client, backend, log } = await start(
      '%GRPC_STATUS% %GRPC_STATUS(SNAKE_STRING)% %GRPC_STATUS(NUMBER)% %GRPC_STATUS_NUMBER% %RESPONSE_CODE%\n',
    );
    await client.call();
    backend.answer = failWith(Status.NOT_FOUND);
    await client.call();
    backend.answer = failLate;
    await client.call();
    await client.list(3);
    expect(await log.untilLines(4)).toEqual([
      'OK OK 0 0 200',
      'NotFound NOT_FOUND 5 5 200',
      'Aborted ABORTED 10 10 200',
      'OK OK 0 0 200',
    ]);
  });

  test('an access log has the versions of HTTP on both sides, the method, and what the trailers say', async () => {
    const { client, backend, log } = await start(
      '%PROTOCOL% %UPSTREAM_PROTOCOL% %REQ(:PATH)% %UPSTREAM_CLUSTER_RAW% %TRAILER(grpc-message)% %TRAILER(x-name)%\n',
    );
    backend.answer = failLate;
    await client.call();
    await client.list(3);
    expect(await log.untilLines(2)).toEqual([
      `HTTP/2 HTTP/2 /shop.Cart/Get ${clusterOf('cart')} too%20late -`,
      `HTTP/2 HTTP/2 /shop.Cart/List ${clusterOf('cart')} OK cart-v1`,
    ]);
  });

  test('an access log has the bytes of all messages, in both directions', async () => {
    const { client, log } = await start('%BYTES_RECEIVED% %BYTES_SENT%\n');
    await client.call({ path: '/shop.Cart/Put', message: Buffer.alloc(1_000) });
    const chat = client.chat();
    for (const text of ['1', '2', '3']) await chat.say(text);
    await chat.end();
    // Each message has five bytes in front.
    const answers = '1 2 3'.split(' ').map((text) => `cart-v1: ${text}`.length + 5);
    expect(await log.untilLines(2)).toEqual(['1005 1005', `18 ${answers.reduce((sum, bytes) => sum + bytes, 0)}`]);
  });

  test('an access log tells of what the sidecar answers itself with its flag and what that is in gRPC', async () => {
    const { client, mesh, log } = await start(
      '%RESPONSE_FLAGS% %GRPC_STATUS% %RESPONSE_CODE% %RESPONSE_CODE_DETAILS%\n',
    );
    const rules = [
      `fault: { abort: { grpcStatus: DATA_LOSS, percentage: { value: 100 } } }, ${toCart}`,
      `fault: { abort: { httpStatus: 503, percentage: { value: 100 } } }, ${toCart}`,
      'route: [{ destination: { host: cart, subset: none } }]',
    ];
    const subset = destinationRule('cart', 'subsets: [{ name: none, labels: { version: none } }]');
    for (const rule of rules) {
      await mesh.apply(subset + virtualService('cart', `[{ ${rule} }]`));
      await client.call();
    }
    expect(await log.untilLines(3)).toEqual([
      'FI DataLoss 200 fault_filter_abort',
      'FI Unavailable 200 fault_filter_abort',
      'UH Unavailable 200 no_healthy_upstream',
    ]);
  });

  test('an access log in JSON has the statuses as numbers, and those of calls only', async () => {
    const { client, mesh, log } = await start('{ "status": "%GRPC_STATUS_NUMBER%", "to": "%REQ(:AUTHORITY)%" }', '', {
      accessLogEncoding: 'JSON',
    });
    await client.call();
    await mesh.call({ host: 'cart:50051' });
    const lines = await log.untilLines(2);
    expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual([
      { status: 0, to: 'cart:50051' },
      { status: null, to: 'cart:50051' },
    ]);
  });

  test('the sidecar of the server has the same in its log', async () => {
    const log = new AccessLogFile();
    const backend = await GrpcBackend.start('v1', failLate);
    const meshConfig = {
      accessLogFile: log.path,
      accessLogFormat: '%UPSTREAM_CLUSTER_RAW% %PROTOCOL% %UPSTREAM_PROTOCOL% %GRPC_STATUS% %TRAILER(grpc-message)%\n',
    };
    const started = await startGrpcMesh({ pilot: { meshConfig } });
    await addWorkload(started, sidecar, { service: 'cart', version: 'v1', appPort: backend.port });
    await untilEndpoints(started.mesh, 1);
    await started.client.call();
    expect((await log.untilLines(2)).sort()).toEqual([
      `inbound|${backend.port}|| HTTP/2 HTTP/2 Aborted too%20late`,
      `${clusterOf('cart')} HTTP/2 HTTP/2 Aborted too%20late`,
    ]);
  });
});
