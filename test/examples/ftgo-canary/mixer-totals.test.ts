import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, test } from 'vitest';
import { readMixerTotals } from '../../../examples/ftgo-canary/mixer-totals.ts';

const line = (labels: Record<string, string>, value: number): string => {
  const all = {
    reporter: 'source',
    destination_service_name: 'ftgo-consumer-service',
    destination_version: 'v1',
    response_code: '200',
    ...labels,
  };
  const text = Object.entries(all).map(([name, label]) => `${name}="${label}"`);
  return `istio_requests_total{${text.join(',')}} ${value}`;
};

test('only successful calls of the consumer service count, once, by version', async () => {
  const page = [
    '# TYPE istio_requests_total counter',
    line({}, 40),
    line({ source_workload: 'other' }, 2),
    line({ destination_version: 'v2' }, 7),
    line({ reporter: 'destination' }, 1000),
    line({ response_code: '503' }, 1000),
    line({ destination_service_name: 'ftgo-order-service' }, 1000),
    'istio_requests_total_other{reporter="source"} 1000',
  ].join('\n');
  const server = createServer((_, response) => response.end(page));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/metrics`;
  expect(await readMixerTotals(url)).toEqual({ v1: 42, v2: 7 });
  server.close();
});
