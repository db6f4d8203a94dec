import { status } from '@grpc/grpc-js';
import { expect, test } from 'vitest';
import { grpcStatuses, grpcStatusNumber } from '../../../proxy/common/grpc-statuses.ts';

test('gRPC has these statuses, by these numbers, and no others', () => {
  const names = Object.entries(status).filter(([, number]) => typeof number === 'number');
  expect(Object.fromEntries(grpcStatuses.map(({ name }, number) => [name, number]))).toEqual(Object.fromEntries(names));
});

test('the form for access logs has the same words as the name', () => {
  const words = grpcStatuses.map(({ camelCaseName }) => camelCaseName.replace(/(?<=[a-z])[A-Z]/g, '_$&').toUpperCase());
  expect(words).toEqual(grpcStatuses.map(({ envoyName }) => envoyName));
});

test('Envoy cancels with one L, gRPC and Istio with two', () => {
  expect([grpcStatusNumber('envoyName', 'CANCELED'), grpcStatusNumber('name', 'CANCELLED')]).toEqual([1, 1]);
  expect([grpcStatusNumber('envoyName', 'CANCELLED'), grpcStatusNumber('name', 'CANCELED')]).toEqual([-1, -1]);
});
