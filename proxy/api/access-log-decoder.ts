/** Decodes `envoy.config.accesslog.v3.AccessLog`: Envoy's default line to a file or to stdout. */
import type { AccessLog as AccessLogJson } from './envoy.gen.ts';
import type { Fields } from './fields.ts';
import type { AccessLog } from './listener.ts';

export function readAccessLog(fields: Fields<AccessLogJson>): AccessLog {
  fields.ignore('name');
  const sink = fields.typed<AccessLog['sink']>('typed_config', {
    'envoy.extensions.access_loggers.file.v3.FileAccessLog': (file) => fileSink(file.name('path')),
    'envoy.extensions.access_loggers.stream.v3.StdoutAccessLog': () => ({ kind: 'stdout' }),
  });
  return { sink: sink ?? { kind: 'stdout' } };
}

function fileSink(path: string): AccessLog['sink'] {
  return path === '/dev/stdout' ? { kind: 'stdout' } : { kind: 'file', path };
}
