/**
 * Envoy's `envoy.filters.http.custom_response`: says for the RBAC filters behind it what is answered to whom they refuse.
 * Unlike in Envoy the answer has what other filters add to responses, so that a browser may read it (CORS).
 */
import type { CustomResponseConfig, CustomResponse } from '../api/custom-response.ts';
import { noMutations } from '../api/header-mutation-decoder.ts';
import type { HttpFilter as HttpFilterConfig } from '../api/listener.ts';
import type { FilterFactory, FilterStatus, HttpFilter } from '../http/filter.ts';
import type { HttpStream, LocalResponse } from '../http/stream.ts';
import { compileHeaderRules } from '../router/header-rules.ts';
import { type FilterContext, FilterSlot } from './filter-context.ts';

export function createCustomResponseFactory(context: FilterContext, filter: HttpFilterConfig): FilterFactory {
  const compile = ({ responses }: CustomResponseConfig): CustomResponses => new CustomResponses(responses);
  const slot = new FilterSlot<'custom_response', CustomResponses>(context, filter, {
    kind: 'custom_response',
    compile,
  });
  return (stream) => new CustomResponseFilter(stream, slot);
}

class CustomResponseFilter implements HttpFilter {
  readonly #stream: HttpStream;
  readonly #slot: FilterSlot<'custom_response', CustomResponses>;

  constructor(stream: HttpStream, slot: FilterSlot<'custom_response', CustomResponses>) {
    this.#stream = stream;
    this.#slot = slot;
  }

  decodeHeaders(): FilterStatus {
    const responses = this.#slot.configOf(this.#stream);
    if (responses !== undefined) this.#stream.refusals = responses;
    return 'continue';
  }
}

class CustomResponses {
  readonly #all: readonly (CustomResponse & LocalResponse)[];

  constructor(responses: readonly CustomResponse[]) {
    this.#all = responses.map((response) => ({
      ...response,
      rules: compileHeaderRules([{ ...noMutations, responseAdd: response.headers }]).response,
    }));
  }

  find({ metadata }: HttpStream): LocalResponse | undefined {
    return this.#all.find(({ conditions }) =>
      conditions.every(({ namespace, key, value }) => metadata.get(namespace, key) === value),
    );
  }
}
