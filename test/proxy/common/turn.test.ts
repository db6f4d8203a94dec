import net, { type AddressInfo } from 'node:net';
import { beforeEach, describe, expect, it, test } from 'vitest';
import { onSocketFault } from '../../../proxy/common/socket-fault.ts';
import { atEndOfTurn, deliver, type Receiver, sendAfterWork, settle } from '../../../proxy/common/turn.ts';
import { closeAfterTest } from '../../support/closing.ts';
import { turn } from '../../support/turns.ts';

/** A socket that goes nowhere, and what it is told. */
class Line implements Receiver {
  readonly socket = closeAfterTest(new net.Socket());
  readonly #name: string;
  readonly #log: string[];
  goesOn = true;
  act: () => void = () => {};

  constructor(name: string, log: string[]) {
    this.#name = name;
    this.#log = log;
  }

  onBytes(bytes: Buffer, length: number): boolean {
    this.#log.push(`${this.#name} works on ${length < 20 ? bytes.toString('latin1', 0, length) : length}`);
    this.act();
    return this.goesOn;
  }

  send(): void {
    this.#log.push(`${this.#name} sends`);
  }

  /** The memory is used again at once, as that of all reads. */
  reads(text: string): boolean {
    const bytes = Buffer.from(text);
    const goesOn = deliver(this.socket, this, bytes, bytes.length);
    bytes.fill('!');
    return goesOn;
  }
}

let log: string[];
let faults: unknown[];
let a: Line;
let b: Line;

/** Many sockets have something, in turn after turn. */
async function getBusy(): Promise<void> {
  for (let i = 0; i < 10; i++) {
    a.reads('busy');
    b.reads('busy');
    await turn();
  }
  log.length = 0;
}

beforeEach(async () => {
  log = [];
  faults = [];
  onSocketFault((cause) => faults.push(cause));
  a = new Line('a', log);
  b = new Line('b', log);
  await getBusy();
});

describe('what is read in one turn', () => {
  it('is worked on when all of it was read, and what comes of it is sent when all was worked on', async () => {
    a.act = () => sendAfterWork(a);
    b.act = () => sendAfterWork(b);
    a.reads('1');
    b.reads('2');
    a.reads('3');
    expect(log).toEqual([]);
    await turn();
    expect(log).toEqual(['a works on 1', 'b works on 2', 'a works on 3', 'a sends', 'b sends', 'a sends']);
  });

  it('is worked on once', async () => {
    a.reads('1');
    settle();
    settle();
    await turn();
    expect(log).toEqual(['a works on 1']);
  });

  it('is not overtaken by an event that settles it first', () => {
    a.reads('1');
    settle();
    log.push('the end of a');
    expect(log).toEqual(['a works on 1', 'the end of a']);
  });

  it('is not overtaken by a read that is too large to wait', () => {
    a.act = () => sendAfterWork(a);
    a.reads('1');
    a.reads('x'.repeat(8_193));
    expect(log).toEqual(['a works on 1', 'a sends', 'a works on 8193']);
  });

  it('waits up to 8 KiB each', async () => {
    a.reads('x'.repeat(8_192));
    expect(log).toEqual([]);
    await turn();
    expect(log).toEqual(['a works on 8192']);
  });

  it('is worked on whole when more sockets have something than there are places', async () => {
    const lines = Array.from({ length: 200 }, (_, i) => new Line(String(i), log));
    for (const [i, line] of lines.entries()) line.reads(`${i}`);
    await turn();
    expect(log).toEqual(lines.map((_, i) => `${i} works on ${i}`));
  });

  it('and after it what is read in the next, with nothing left of the one before', async () => {
    a.reads('a long one');
    await turn();
    b.reads('short');
    await turn();
    expect(log).toEqual(['a works on a long one', 'b works on short']);
  });
});

describe('where turns read one socket only', () => {
  beforeEach(async () => {
    for (let i = 0; i < 2; i++) {
      a.reads('alone');
      await turn();
    }
    log.length = 0;
  });

  it('what is read is worked on at once, and what comes of it is sent at once', () => {
    a.act = () => log.push(`waits: ${sendAfterWork(a)}`);
    for (let i = 0; i < 8; i++) {
      log.length = 0;
      a.reads(`${i}`);
      expect(log).toEqual([`a works on ${i}`, 'waits: false']);
    }
  });

  it('every ninth read waits for the end of its turn, and when it is alone there, the next are worked on at once again', async () => {
    const waiting: number[] = [];
    for (let i = 1; i <= 30; i++) {
      log.length = 0;
      a.reads('x');
      if (log.length === 0) waiting.push(i);
      await turn();
    }
    expect(waiting).toEqual([9, 18, 27]);
  });

  it('reads wait again from the first turn on in which one of those meets another', async () => {
    for (let i = 0; i < 8; i++) a.reads('x');
    log.length = 0;
    a.reads('1');
    b.reads('2');
    expect(log).toEqual([]);
    await turn();
    a.reads('3');
    b.reads('4');
    expect(log).toEqual(['a works on 1', 'b works on 2']);
  });
});

describe('a socket', () => {
  it('stops reading when its receiver wants no more, and what it has read by then is worked on', async () => {
    a.goesOn = false;
    expect([a.reads('1'), a.reads('2')]).toEqual([true, true]);
    expect(a.socket.isPaused()).toBe(false);
    await turn();
    expect(log).toEqual(['a works on 1', 'a works on 2']);
    expect(a.socket.isPaused()).toBe(true);
  });

  it('tells at once whether to go on after a read that is too large to wait', () => {
    a.goesOn = false;
    expect(a.reads('x'.repeat(10_000))).toBe(false);
    a.goesOn = true;
    expect(a.reads('x'.repeat(10_000))).toBe(true);
  });

  it('that we have closed meanwhile is not heard any more', async () => {
    a.reads('1');
    b.reads('2');
    a.socket.destroy();
    await turn();
    expect(log).toEqual(['b works on 2']);
  });

  it('that broke is heard with what came before', async () => {
    a.socket.on('error', () => {});
    a.reads('1');
    a.socket.destroy(new Error('ECONNRESET'));
    await turn();
    expect(log).toEqual(['a works on 1']);
  });

  it('that is closed by the work on another is not heard any more', async () => {
    a.act = () => b.socket.destroy();
    a.reads('1');
    b.reads('2');
    await turn();
    expect(log).toEqual(['a works on 1']);
  });

  it('is lost by a receiver that throws, and no other', async () => {
    a.act = () => {
      throw new Error('a defect');
    };
    a.reads('1');
    b.reads('2');
    a.reads('3');
    await turn();
    expect(log).toEqual(['a works on 1', 'b works on 2']);
    expect(faults.map(String)).toEqual(['Error: a defect']);
    expect([a.socket.destroyed, b.socket.destroyed]).toEqual([true, false]);
  });

  it('is lost by a sender that throws, and no other', async () => {
    const broken = {
      socket: a.socket,
      send() {
        throw new Error('a defect');
      },
    };
    a.act = () => sendAfterWork(broken);
    b.act = () => sendAfterWork(b);
    a.reads('1');
    b.reads('2');
    await turn();
    expect(log.at(-1)).toBe('b sends');
    expect(faults.map(String)).toEqual(['Error: a defect']);
    expect([a.socket.destroyed, b.socket.destroyed]).toEqual([true, false]);
  });
});

test('nobody is asked to wait who sends while nobody is at work', () => {
  expect(sendAfterWork(a)).toBe(false);
  a.act = () => {
    log.push(`waits: ${sendAfterWork(a)}`);
  };
  a.reads('x'.repeat(10_000));
  expect(log).toEqual(['a works on 10000', 'waits: false']);
});

test('what a receiver is given within the work on another is worked on at once', async () => {
  a.act = () => void b.reads('2');
  a.reads('1');
  await turn();
  expect(log).toEqual(['a works on 1', 'b works on 2']);
});

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
