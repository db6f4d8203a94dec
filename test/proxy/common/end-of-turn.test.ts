import net, { type AddressInfo } from 'node:net';
import { expect, test } from 'vitest';
import { atEndOfTurn } from '../../../proxy/common/end-of-turn.ts';
import { closeAfterTest } from '../../support/closing.ts';
import { turn } from '../../support/turns.ts';

test('what waits for the end of the turn runs in order, behind everything that was read in it', async () => {
  const heard: string[] = [];
  const server = closeAfterTest(net.createServer());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const sockets: net.Socket[] = [];
  server.on('connection', (socket) => {
    sockets.push(socket);
    socket.on('data', (bytes) => {
      heard.push(`read ${bytes.toString()}`);
      atEndOfTurn({ onEndOfTurn: () => heard.push(`end ${bytes.toString()}`) });
    });
  });
  const { port } = server.address() as AddressInfo;
  const clients = [net.connect(port, '127.0.0.1'), net.connect(port, '127.0.0.1')];
  closeAfterTest({ close: () => clients.forEach((client) => void client.destroy()) });
  while (sockets.length < 2) await turn();
  // Both are in the kernel before the loop looks again.
  for (const [i, client] of clients.entries()) client.write(String(i));
  while (heard.length < 4) await turn();
  expect(heard.slice(0, 2).toSorted()).toEqual(['read 0', 'read 1']);
  expect(heard.slice(2)).toEqual(heard.slice(0, 2).map((text) => text.replace('read', 'end')));
});

test('who waits for the end of a turn in which others run waits for the next one', async () => {
  const heard: string[] = [];
  atEndOfTurn({
    onEndOfTurn: () => {
      heard.push('first');
      atEndOfTurn({ onEndOfTurn: () => heard.push('second') });
    },
  });
  expect(heard).toEqual([]);
  await turn();
  expect(heard).toEqual(['first']);
  await turn();
  expect(heard).toEqual(['first', 'second']);
});
