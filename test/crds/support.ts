/** Short ways to write resources and to read what was found in them. */
import { formatFieldErrors } from '../../proxy/common/decoded.ts';
import type { NewResource } from '../../crds/config-store.ts';
import { findUnsupported, validateResource } from '../../crds/validate.ts';

export function resource(kind: string, spec: unknown, metadata: object = {}): object {
  const apiVersion = kind === 'Service' ? 'v1' : 'networking.istio.io/v1';
  return { apiVersion, kind, metadata: { name: 'case', namespace: 'default', ...metadata }, spec };
}

export function virtualService(spec: object): object {
  return resource('VirtualService', {
    hosts: ['reviews'],
    http: [{ route: [{ destination: { host: 'reviews' } }] }],
    ...spec,
  });
}

/** A VirtualService with one HTTP route, which goes to `reviews` unless `route` says otherwise. */
export function httpRoute(route: object): object {
  return virtualService({ http: [{ route: [{ destination: { host: 'reviews' } }], ...route }] });
}

export function destinationRule(spec: object): object {
  return resource('DestinationRule', { host: 'reviews', ...spec });
}

export function serviceEntry(spec: object): object {
  const ports = [{ number: 80, name: 'http', protocol: 'HTTP' }];
  return resource('ServiceEntry', { hosts: ['api.example.com'], ports, resolution: 'STATIC', ...spec });
}

export function service(spec: object): object {
  return resource('Service', { ports: [{ port: 80 }], ...spec });
}

export function rateLimit(spec: object): object {
  const limit = resource('RateLimit', { host: 'reviews', requests: 10, interval: '1s', ...spec });
  return { ...limit, apiVersion: 'networking.heddle.dev/v1alpha1' };
}

export function checkRule(spec: object): object {
  const rule = resource('CheckRule', { host: 'reviews', action: 'DENY', ...spec });
  return { ...rule, apiVersion: 'networking.heddle.dev/v1alpha1' };
}

/** Every error as `path: message`; empty when the resource is valid. */
export function errorsOf(input: unknown): string[] {
  return linesOf(validateResource(input).errors);
}

export function warningsOf(input: unknown): string[] {
  return linesOf(validateResource(input).value?.warnings);
}

export function unsupportedOf(input: unknown): string[] {
  return linesOf(findUnsupported(input));
}

function linesOf(errors: Parameters<typeof formatFieldErrors>[0] = []): string[] {
  return errors.length === 0 ? [] : formatFieldErrors(errors).split('\n');
}

/** What a store takes. */
export function stored(name: string, spec: unknown = {}, kind = 'VirtualService'): NewResource {
  return { apiVersion: 'networking.istio.io/v1', kind, metadata: { name, namespace: 'default' }, spec };
}
