/**
 * Huffman-coded text (RFC 7541 §5.2), four bits at a time: a state is an inner node of the code's tree, and a table says
 * for each state and each four bits where they lead and which byte they complete — at most one, since no code is
 * shorter than five bits. 16 KB of table stay in the processor's first cache; eight bits at a time would need 256 KB.
 */
import { latin1 } from '../../common/latin1.ts';
import { codeLengths, codes, endOfString } from './huffman-code.ts';

/** An entry: the next state in the low byte, the completed byte in the next one, then whether there is one. */
const emits = 1 << 16;
/** The bits complete `endOfString`, which is an error inside of a text. */
const impossible = -1;

/** Children of the inner nodes, two to a node: a node's number, or -1 - symbol. */
const children = buildTree();
const steps = buildSteps();
/** States in which a text may end: nothing is left over, or up to seven bits as `endOfString` begins, all of them ones. */
const isEnd = buildEnds();

/** Most texts fit; what does not gets a buffer of its own, so that a large one is not kept. */
const scratch = Buffer.allocUnsafeSlow(4096);
/** No code is shorter than five bits. */
const longestExpansion = 8 / 5;

/** The text in `bytes[start..end)`; undefined when it is no Huffman code or is not padded as it must be. */
export function decodeHuffman(bytes: Buffer, start: number, end: number): string | undefined {
  const roomBytes = Math.ceil((end - start) * longestExpansion);
  const target = roomBytes <= scratch.length ? scratch : Buffer.allocUnsafe(roomBytes);
  const length = decodeInto(target, bytes, start, end);
  return length < 0 ? undefined : latin1(target, 0, length);
}

function decodeInto(target: Buffer, bytes: Buffer, start: number, end: number): number {
  const table = steps;
  let state = 0;
  let length = 0;
  for (let at = start; at < end; at++) {
    const byte = bytes[at] ?? 0;
    const high = table[(state << 4) | (byte >> 4)] ?? impossible;
    if (high < 0) return -1;
    if (high >= emits) target[length++] = (high >> 8) & 0xff;
    const low = table[((high & 0xff) << 4) | (byte & 0xf)] ?? impossible;
    if (low < 0) return -1;
    if (low >= emits) target[length++] = (low >> 8) & 0xff;
    state = low & 0xff;
  }
  return isEnd[state] === 1 ? length : -1;
}

function buildTree(): number[] {
  const tree = [0, 0];
  codes.forEach((code, symbol) => {
    let node = 0;
    for (let bit = (codeLengths[symbol] ?? 0) - 1; bit > 0; bit--) {
      const slot = node * 2 + ((code >> bit) & 1);
      // The root is nobody's child, so that zero means: not there yet.
      if (tree[slot] === 0) {
        tree[slot] = tree.length / 2;
        tree.push(0, 0);
      }
      node = tree[slot] ?? 0;
    }
    tree[node * 2 + (code & 1)] = -1 - symbol;
  });
  return tree;
}

function buildSteps(): Int32Array {
  const nodes = children.length / 2;
  const table = new Int32Array(nodes * 16);
  for (let node = 0; node < nodes; node++) {
    for (let bits = 0; bits < 16; bits++) table[node * 16 + bits] = stepFrom(node, bits);
  }
  return table;
}

function stepFrom(start: number, bits: number): number {
  let node = start;
  let emitted = 0;
  for (let bit = 3; bit >= 0; bit--) {
    const child = children[node * 2 + ((bits >> bit) & 1)] ?? 0;
    if (child >= 0) {
      node = child;
      continue;
    }
    const symbol = -1 - child;
    if (symbol === endOfString) return impossible;
    emitted = emits | (symbol << 8);
    node = 0;
  }
  return emitted | node;
}

function buildEnds(): Uint8Array {
  const ends = new Uint8Array(children.length / 2);
  let node = 0;
  for (let bits = 0; bits <= 7; bits++) {
    ends[node] = 1;
    node = children[node * 2 + 1] ?? 0;
  }
  return ends;
}
