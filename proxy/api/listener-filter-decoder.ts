/** Decodes `envoy.config.listener.v3.ListenerFilter`: what is found out about connections, and about which. */
import type { ListenerFilter as ListenerFilterJson, ListenerFilterChainMatchPredicate } from './envoy.gen.ts';
import type { Fields } from './fields.ts';
import type { PortPredicate } from './listener.ts';

export interface ListenerFilter {
  readonly kind: 'original_dst' | 'original_src' | 'tls_inspector' | 'http_inspector';
  readonly disabledAt: PortPredicate | undefined;
  /** Of `original_src`; 0 = none. */
  readonly mark: number;
}

export function readListenerFilter(fields: Fields<ListenerFilterJson>): ListenerFilter {
  fields.name('name');
  let mark = 0;
  const kind = fields.typed<ListenerFilter['kind']>('typed_config', {
    'envoy.extensions.filters.listener.original_dst.v3.OriginalDst': () => 'original_dst',
    'envoy.extensions.filters.listener.original_src.v3.OriginalSrc': (source) => {
      source.only('bind_port', false);
      mark = source.number('mark', { defaultValue: 0, min: 0, max: 2 ** 32 - 1 });
      return 'original_src';
    },
    'envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector': (inspector) => {
      // How much is read at once is for the operating system to say here.
      inspector.ignore('initial_read_buffer_size');
      inspector.only('enable_ja3_fingerprinting', false);
      return 'tls_inspector';
    },
    'envoy.extensions.filters.listener.http_inspector.v3.HttpInspector': () => 'http_inspector',
  });
  const disabled = fields.message('filter_disabled');
  const isInspector = kind === undefined || kind === 'tls_inspector' || kind === 'http_inspector';
  if (disabled !== undefined && !isInspector) {
    fields.fail('filter_disabled', 'is supported for tls_inspector and http_inspector only');
  }
  return { kind: kind ?? 'original_dst', disabledAt: disabled && readPredicate(disabled), mark };
}

function readPredicate(fields: Fields<ListenerFilterChainMatchPredicate>): PortPredicate {
  const not = fields.message('not_match');
  if (not !== undefined) return { kind: 'not', of: readPredicate(not) };
  const or = fields.message('or_match');
  if (or !== undefined) return { kind: 'or', of: or.list('rules', readPredicate) };
  const and = fields.message('and_match');
  if (and !== undefined) return { kind: 'and', of: and.list('rules', readPredicate) };
  const range = fields.message('destination_port_range');
  if (range === undefined) {
    if (fields.take('any_match') !== true)
      fields.failHere('must be one of not_match, or_match, and_match, any_match, destination_port_range');
    return { kind: 'and', of: [] };
  }
  const port = { min: 0, max: 65_536 };
  return {
    kind: 'ports',
    start: range.number('start', { defaultValue: 0, ...port }),
    end: range.number('end', { defaultValue: 0, ...port }),
  };
}
