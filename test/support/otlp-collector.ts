/** A collector of OTLP/HTTP for tests: takes JSON, keeps what it got, and fails when it is told to. */
import { Backend } from './backend.ts';

export interface CollectedSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string | undefined;
  readonly traceState: string | undefined;
  readonly name: string;
  readonly kind: number;
  readonly durationMs: number;
  readonly status: number | undefined;
  /** Of its resource. */
  readonly service: string | undefined;
  readonly attributes: Readonly<Record<string, string>>;
}

type Attributes = readonly { readonly key: string; readonly value: { readonly stringValue: string } }[];
interface SpanJson extends Omit<CollectedSpan, 'attributes' | 'status' | 'durationMs' | 'service'> {
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly attributes: Attributes;
  readonly status?: { readonly code: number };
}
interface ExportJson {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: Attributes };
    readonly scopeSpans: readonly { readonly spans: readonly SpanJson[] }[];
  }[];
}

export class OtlpCollector {
  readonly spans: CollectedSpan[] = [];
  /** Method, path and headers of each export. */
  readonly exports: { readonly method: string; readonly path: string; readonly headers: object }[] = [];
  /** Of the exports to come; others than 200 take nothing. */
  status = 200;
  readonly #backend: Backend;

  private constructor(backend: Backend) {
    this.#backend = backend;
  }

  static async start(): Promise<OtlpCollector> {
    const collector = new OtlpCollector(await Backend.start('collector'));
    collector.#backend.respond = (request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const { method = '', url = '', headers } = request;
        collector.exports.push({ method, path: url, headers });
        if (collector.status === 200) collector.#take(JSON.parse(Buffer.concat(chunks).toString()) as ExportJson);
        response.statusCode = collector.status;
        response.end('{}');
      });
    };
    return collector;
  }

  get port(): number {
    return this.#backend.port;
  }

  #take({ resourceSpans }: ExportJson): void {
    for (const { resource, scopeSpans } of resourceSpans) {
      const service = recordOf(resource.attributes)['service.name'];
      for (const span of scopeSpans.flatMap(({ spans }) => spans)) {
        const { startTimeUnixNano, endTimeUnixNano, attributes, status, ...rest } = span;
        const durationMs = Number(BigInt(endTimeUnixNano) - BigInt(startTimeUnixNano)) / 1e6;
        this.spans.push({ ...rest, durationMs, status: status?.code, service, attributes: recordOf(attributes) });
      }
    }
  }

  close(): Promise<void> {
    return this.#backend.close();
  }
}

function recordOf(attributes: Attributes): Record<string, string> {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, value.stringValue]));
}
