/**
 * Programs of gRPC that know of no mesh. `cart-program.js serve PORT VERSION` is a server; `cart-program.js call HOST:PORT
 * COUNT [NAME=VALUE]` makes calls with that metadata on one connection, says who answered how many of them, and then how a
 * conversation went.
 */
import {
  Client,
  credentials,
  Metadata,
  type sendUnaryData,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  status as Status,
} from '@grpc/grpc-js';
import { cartService, sameBytes } from './cart-service.ts';

/** What a client writes to its standard output, as JSON. */
export interface Report {
  /** By version, or by the status of a call that none answered. */
  readonly shares: Readonly<Record<string, number>>;
  /** What was heard, and the status at the end. */
  readonly chat: readonly string[];
}

const [, , mode, target = '', rest = '', field = ''] = process.argv;

function serve(port: string, version: string): void {
  const server = new Server();
  const { get, chat } = cartService;
  server.addService(
    { get, chat },
    {
      get: (_: unknown, answer: sendUnaryData<Buffer>) => answer(null, Buffer.from(version)),
      chat: (call: ServerDuplexStream<Buffer, Buffer>) => {
        call.on('data', (bytes: Buffer) => call.write(Buffer.from(`${version} ${bytes.toString()}`)));
        call.on('error', () => {});
        call.on('end', () => call.end());
      },
    },
  );
  server.bindAsync(`0.0.0.0:${port}`, ServerCredentials.createInsecure(), (error) => {
    if (error !== null) throw error;
  });
}

async function call(address: string, count: number, metadata: Metadata): Promise<Report> {
  const client = new Client(address, credentials.createInsecure(), {
    'grpc.enable_retries': 0,
    // It would be asked of the DNS, which nobody answers in a pod.
    'grpc.service_config_disable_resolution': 1,
  });
  const shares: Record<string, number> = {};
  const { path } = cartService.get;
  for (let i = 0; i < count; i++) {
    const who = await new Promise<string>((resolve) => {
      client.makeUnaryRequest(path, sameBytes, sameBytes, Buffer.alloc(0), metadata, (error, version) =>
        resolve(error === null ? String(version) : (Status[error.code] ?? '')),
      );
    });
    shares[who] = (shares[who] ?? 0) + 1;
  }
  const chat = await converse(client, metadata);
  client.close();
  return { shares, chat };
}

function converse(client: Client, metadata: Metadata): Promise<string[]> {
  const heard: string[] = [];
  const stream = client.makeBidiStreamRequest(cartService.chat.path, sameBytes, sameBytes, metadata);
  stream.on('data', (bytes: Buffer) => {
    heard.push(bytes.toString());
    if (heard.length < 3) stream.write(Buffer.from(String(heard.length)));
    else stream.end();
  });
  stream.on('error', () => {});
  stream.write(Buffer.from('0'));
  return new Promise((resolve) => {
    stream.on('status', ({ code }) => resolve([...heard, Status[code] ?? '']));
  });
}

if (mode === 'serve') {
  serve(target, rest);
} else {
  const metadata = new Metadata();
  const [name = '', value = ''] = field.split('=');
  if (name !== '') metadata.set(name, value);
  process.stdout.write(JSON.stringify(await call(target, Number(rest), metadata)));
}
