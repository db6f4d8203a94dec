/**
 * One turn of the event loop, in three stages: all sockets that have something are read, then all that was read is worked
 * on, then all that is to be sent is written (cohort scheduling: Larus and Parkes, USENIX 2002). A system call leaves the
 * processor's caches and address translations cold for the code that comes next, and that code takes three times as long:
 * in a row, all but the first run warm. With 64 busy connections a request costs 23 instead of 29 µs, and half as much of
 * what filters add to it. Where turns read one socket only there is nothing to gain, and it is worked on at once.
 */
import type { Socket } from 'node:net';
import { beginDelivery, endDelivery } from './clock.ts';
import { failSocket } from './socket-fault.ts';

/** Takes what a socket has read. */
export interface Receiver {
  /** `bytes[0..length)` are valid only during the call. Return false to pause reading; `socket.resume()` goes on. */
  onBytes(bytes: Buffer, length: number): boolean;
}

/** Has something to be written to its socket. */
export interface Sender {
  readonly socket: Socket;
  /** What it throws costs the socket. */
  send(): void;
}

/** Something that may wait until every event was heard that is there already. */
export interface TurnEnd {
  /** Must not throw. */
  onEndOfTurn(): void;
}

/** What was read of one socket and waits, in memory of its own: the next socket is read into the same buffer. */
interface Delivery {
  socket: Socket | undefined;
  receiver: Receiver | undefined;
  readonly bytes: Buffer;
  length: number;
}

/** More is not copied: the work on it does not stay warm either. */
const maxWaitingBytes = 8_192;
/** More gain nothing more, and the first of them waits for the work on all. */
const maxDeliveries = 64;
/** To hear of the end of a turn costs 5 µs: after two turns in a row that read one socket, only every so many-th is asked for. */
const lonelyDeliveries = 8;

const deliveries = allocateDeliveries();
let deliveryCount = 0;
let senders: Sender[] = [];
let turnEnds: TurnEnd[] = [];
let isEndScheduled = false;
/** Since the end of this turn is waited for. */
let deliveriesInTurn = 0;
/** Turns in a row that had one delivery. */
let lonelyTurns = 0;
/** So many that come next do not wait. */
let deliveriesAtOnce = 0;
/** In the second stage. */
let isWorking = false;

function allocateDeliveries(): readonly Delivery[] {
  const memory = Buffer.allocUnsafeSlow(maxDeliveries * maxWaitingBytes);
  return Array.from({ length: maxDeliveries }, (_, i) => ({
    socket: undefined,
    receiver: undefined,
    bytes: memory.subarray(i * maxWaitingBytes, (i + 1) * maxWaitingBytes),
    length: 0,
  }));
}

/** `socket` has read `bytes[0..length)`, which the caller may then use again. The result tells whether to go on reading. */
export function deliver(socket: Socket, receiver: Receiver, bytes: Buffer, length: number): boolean {
  const next = deliveries[deliveryCount];
  deliveriesInTurn += 1;
  if (next === undefined || length > maxWaitingBytes || isWorking || deliveriesAtOnce > 0)
    return deliverNow(socket, receiver, bytes, length);
  bytes.copy(next.bytes, 0, 0, length);
  next.socket = socket;
  next.receiver = receiver;
  next.length = length;
  deliveryCount += 1;
  scheduleEnd();
  return true;
}

function deliverNow(socket: Socket, receiver: Receiver, bytes: Buffer, length: number): boolean {
  deliveriesAtOnce -= 1;
  // It may be the end of what waits.
  settle();
  beginDelivery();
  const goesOn = receive(socket, receiver, bytes, length);
  endDelivery();
  return goesOn;
}

function receive(socket: Socket, receiver: Receiver, bytes: Buffer, length: number): boolean {
  try {
    return receiver.onBytes(bytes, length);
  } catch (cause) {
    failSocket(socket, cause);
    return false;
  }
}

/** Works on all that was read so far, and writes what comes of it. For events that must not overtake bytes. */
export function settle(): void {
  if (deliveryCount === 0 || isWorking) return;
  isWorking = true;
  beginDelivery();
  for (let i = 0; i < deliveryCount; i++) {
    const delivery = deliveries[i];
    if (delivery !== undefined) workOn(delivery);
  }
  endDelivery();
  deliveryCount = 0;
  isWorking = false;
  sendAll();
}

function workOn(delivery: Delivery): void {
  const { socket, receiver, bytes, length } = delivery;
  delivery.socket = undefined;
  delivery.receiver = undefined;
  if (socket === undefined || receiver === undefined) return;
  // We closed it meanwhile. Of one that broke, what came before counts.
  if (socket.destroyed && socket.errored === null) return;
  if (!receive(socket, receiver, bytes, length) && !socket.destroyed) socket.pause();
}

/** Has `sender` called when the work of this turn is done; false when nobody is at work, and it may send at once. */
export function sendAfterWork(sender: Sender): boolean {
  if (isWorking) senders.push(sender);
  return isWorking;
}

function sendAll(): void {
  const due = senders;
  senders = [];
  for (const sender of due) {
    try {
      sender.send();
    } catch (cause) {
      failSocket(sender.socket, cause);
    }
  }
}

/** Runs in the order of the calls, behind everything that this turn has read and written. */
export function atEndOfTurn(waiter: TurnEnd): void {
  turnEnds.push(waiter);
  scheduleEnd();
}

function scheduleEnd(): void {
  if (isEndScheduled) return;
  isEndScheduled = true;
  deliveriesInTurn = 1;
  setImmediate(endTurn);
}

function endTurn(): void {
  isEndScheduled = false;
  lonelyTurns = deliveriesInTurn === 1 ? lonelyTurns + 1 : 0;
  deliveriesAtOnce = lonelyTurns > 1 ? lonelyDeliveries : 0;
  settle();
  if (turnEnds.length === 0) return;
  const due = turnEnds;
  turnEnds = [];
  for (const waiter of due) waiter.onEndOfTurn();
}
