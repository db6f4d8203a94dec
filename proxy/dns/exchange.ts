/** One message to one server, over a socket of its own: the answer comes to a port that nobody can guess (RFC 5452). */
import dgram from 'node:dgram';
import { isIPv6, type Socket } from 'node:net';
import type { SocketAddress } from '../api/address-decoder.ts';
import { connectSocket } from '../common/socket.ts';
import { FrameReader, writeFrame } from './frames.ts';

export interface ExchangeEvents {
  /** A message from the server's address; whether it is the answer is for the owner to say. */
  onMessage(message: Buffer): void;
  /** Nothing will come any more: the server refuses, or has closed. */
  onFailure(): void;
}

/** Sends at once. The returned function ends it, after which there are no events. */
export function exchange(
  transport: 'udp' | 'tcp',
  server: SocketAddress,
  message: Buffer,
  events: ExchangeEvents,
): () => void {
  return transport === 'udp' ? exchangeUdp(server, message, events) : exchangeTcp(server, message, events);
}

function exchangeUdp({ address, port }: SocketAddress, message: Buffer, events: ExchangeEvents): () => void {
  let isOver = false;
  const socket = dgram.createSocket(isIPv6(address) ? 'udp6' : 'udp4');
  const end = (): void => {
    if (isOver) return;
    isOver = true;
    socket.close();
  };
  const fail = (): void => {
    if (isOver) return;
    end();
    events.onFailure();
  };
  socket.on('error', fail);
  socket.on('message', (answer) => {
    if (!isOver) events.onMessage(answer);
  });
  socket.on('connect', () => {
    if (isOver) return;
    socket.send(message, (error) => {
      if (error !== null) fail();
    });
  });
  // Connected, the kernel drops what others send, and tells when nobody listens there. A callback would get errors as well.
  socket.connect(port, address);
  return end;
}

function exchangeTcp({ address, port }: SocketAddress, message: Buffer, events: ExchangeEvents): () => void {
  const frames = new FrameReader(65_535);
  let isOver = false;
  const end = (): void => {
    isOver = true;
    socket.destroy();
  };
  const socket: Socket = connectSocket(
    { address, port },
    {
      onConnect: () => socket.write(writeFrame(message)),
      onBytes: (bytes, length) => {
        frames.read(bytes.subarray(0, length), (answer) => {
          if (!isOver) events.onMessage(answer);
        });
        return true;
      },
      onEnd: () => socket.destroy(),
      onDrain: () => {},
      onClose: () => {
        if (isOver) return;
        isOver = true;
        events.onFailure();
      },
    },
  );
  return end;
}
