/** The one table of HTTP filters: what a filter in the configuration becomes. */
import type { HttpFilter as HttpFilterConfig } from '../api/listener.ts';
import type { FilterFactory } from '../http/filter.ts';
import { type RouterContext, createRouterFactory } from '../router/router-filter.ts';

type FilterBuilder = (context: RouterContext) => FilterFactory;

export const httpFilters: Readonly<Record<HttpFilterConfig['kind'], FilterBuilder>> = {
  router: createRouterFactory,
};
