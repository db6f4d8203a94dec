import { describe, expect, test } from 'vitest';
import { HeaderName } from '../../../proxy/http/header-name.ts';
import { RequestHead, ResponseHead } from '../../../proxy/http/message-head.ts';
import { IstioMetrics } from '../../../proxy/telemetry/istio-metrics.ts';
import { packOutcome, unpackOutcome } from '../../../proxy/telemetry/response-outcome.ts';
import { consumerService, consumerV2, nodeMetadata } from './nodes.ts';

function call(contentType: string): RequestHead {
  const request = new RequestHead();
  request.headers.add(new HeaderName('content-type'), contentType);
  return request;
}

function answer(status: number, { head, trailer }: { head?: string; trailer?: string } = {}): ResponseHead {
  const response = new ResponseHead();
  response.status = status;
  if (head !== undefined) response.headers.add(new HeaderName('grpc-status'), head);
  if (trailer !== undefined) response.trailers.add('grpc-status', trailer);
  return response;
}

const grpc = call('application/grpc+proto');

describe('what a response came to', () => {
  test.each([
    ['a request of HTTP', call('application/json'), answer(503), { status: 503, isGrpc: false, grpcStatus: '' }],
    [
      'a status of gRPC in trailers',
      grpc,
      answer(200, { trailer: '0' }),
      { status: 200, isGrpc: true, grpcStatus: '0' },
    ],
    ['one in the head', grpc, answer(200, { head: '14' }), { status: 200, isGrpc: true, grpcStatus: '14' }],
    ['the largest', grpc, answer(200, { head: '16' }), { status: 200, isGrpc: true, grpcStatus: '16' }],
    ['one that there is not', grpc, answer(200, { head: '99' }), { status: 200, isGrpc: true, grpcStatus: '2' }],
    ['an error of HTTP to a call', grpc, answer(503), { status: 503, isGrpc: true, grpcStatus: '14' }],
    ['no answer to a call', grpc, answer(0), { status: 0, isGrpc: true, grpcStatus: '' }],
  ])('%s comes out of its number as it went in', (_, request, response, expected) => {
    expect(unpackOutcome(packOutcome(request, response))).toEqual(expected);
  });

  test('tells calls of gRPC apart in the metrics, by their status', () => {
    const metrics = new IstioMetrics(nodeMetadata());
    const record = (request: RequestHead, response: ResponseHead): void =>
      metrics.record(metrics.outboundScope(consumerService, consumerV2), packOutcome(request, response), '-', 1, 1, 1);
    record(grpc, answer(200, { trailer: '0' }));
    record(grpc, answer(200, { head: '14' }));
    record(grpc, answer(200, { trailer: '14' }));
    record(call('text/plain'), answer(200));
    const series = [...metrics.series()].map((each) => {
      const labels = Object.fromEntries(each.labels.map(({ name, value }) => [name, value]));
      const { request_protocol, response_code, grpc_response_status } = labels;
      return [request_protocol, response_code, grpc_response_status, metrics.requestCount(each)];
    });
    expect(series.map(String).sort((a, b) => a.localeCompare(b))).toEqual([
      'grpc,200,0,1',
      'grpc,200,14,2',
      'http,200,,1',
    ]);
  });
});
