/** Configuration of Envoy's custom response filter: what is answered in place of a plain refusal. */
import type { HeaderValueOption } from './route.ts';

/** `envoy.extensions.filters.http.custom_response.v3.CustomResponse`. */
export interface CustomResponseConfig {
  readonly kind: 'custom_response';
  /** The first whose conditions all hold is the answer. */
  readonly responses: readonly CustomResponse[];
}

export interface CustomResponse {
  readonly conditions: readonly MetadataCondition[];
  /** Default: that of the refusal. */
  readonly status: number | undefined;
  /** Default empty. */
  readonly body: string;
  readonly headers: readonly HeaderValueOption[];
}

/** The text that dynamic metadata has under a namespace and a key. */
export interface MetadataCondition {
  readonly namespace: string;
  readonly key: string;
  readonly value: string;
}
