/** `GET /debug/endpointz?service=HOST`: what serves a service now, for whoever releases its versions. */
import { ApiError } from './status.ts';
import type { Route } from './router.ts';

export interface Endpoint {
  readonly name: string;
  readonly namespace: string;
  readonly address: string;
  readonly labels: Readonly<Record<string, string>>;
}

export interface EndpointsAnswer {
  readonly service: string;
  /** Left out where a request itself says where it goes. */
  readonly endpoints?: readonly Endpoint[];
}

/** `endpointsOf`: by full name, in lower case. */
export function endpointsRoute(endpointsOf: (hostname: string) => readonly Endpoint[] | undefined): Route {
  return {
    method: 'GET',
    pattern: '/debug/endpointz',
    handle: ({ query }) => {
      const service = query.get('service')?.toLowerCase() ?? '';
      if (service === '')
        throw new ApiError('BadRequest', 'query parameter service must be the full name of a service');
      const endpoints = endpointsOf(service)?.map(({ name, namespace, address, labels }) => {
        return { name, namespace, address, labels };
      });
      const answer: EndpointsAnswer = { service, ...(endpoints === undefined ? {} : { endpoints }) };
      return { body: answer };
    },
  };
}
