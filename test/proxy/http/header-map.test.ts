import { describe, expect, it } from 'vitest';
import {
  HeaderName,
  Known,
  hashHeaderName,
  isHeaderName,
  knownHeaderIndex,
  knownHeaders,
} from '../../../proxy/http/header-name.ts';
import type { HeaderMap } from '../../../proxy/http/header-map.ts';
import { requestHead } from '../http1/parsing.ts';
import { head } from '../http1/request-case.ts';

function headersOf(...lines: readonly string[]): HeaderMap {
  return requestHead(head('GET / HTTP/1.1', ...lines)).headers;
}

const x = new HeaderName('X');

describe('a header', () => {
  it('is found whatever its case, in the order received', () => {
    const headers = headersOf('x: 1', 'y: 2', 'X: 3');
    expect(headers.find(x, 0)).toBe(0);
    expect(headers.find(x, 1)).toBe(2);
    expect(headers.find(x, 3)).toBe(-1);
    expect(headers.find(new HeaderName('z'), 0)).toBe(-1);
  });

  it('that comes more than once is one list, added values last', () => {
    const headers = headersOf('x: 1', 'y: 2', 'X: 3');
    headers.add(x, '4');
    expect(headers.get(x)).toBe('1,3,4');
  });

  it('that is absent has no value, one that is empty has the empty one', () => {
    const headers = headersOf('x:');
    expect(headers.get(x)).toBe('');
    expect(headers.get(new HeaderName('y'))).toBeUndefined();
  });

  it('is found by whatever 32 names share its bit, and by no other name', () => {
    const names = Array.from({ length: 200 }, (_, i) => `x-${i}`);
    const headers = headersOf(...names.filter((_, i) => i % 2 === 0).map((name) => `${name}: ${name}`));
    headers.add(new HeaderName('x-1'), 'added');
    for (const [i, name] of names.entries()) {
      expect(headers.get(new HeaderName(name))).toBe(i === 1 ? 'added' : i % 2 === 0 ? name : undefined);
    }
  });

  it('that came is in a copy too, and not in the next message', () => {
    const headers = headersOf('x: 1');
    const copy = headersOf('y: 2');
    copy.copyFrom(headers);
    headers.reset();
    expect(copy.get(x)).toBe('1');
    expect(headers.get(x)).toBeUndefined();
    headers.add(x, '2');
    expect(headers.hasExactly(x, '2')).toBe(true);
  });

  it('is gone after it was removed, received and added ones alike', () => {
    const headers = headersOf('x: 1', 'y: 2', 'x: 3');
    headers.add(x, '4');
    headers.add(new HeaderName('z'), '5');
    headers.remove(x);
    expect(headers.get(x)).toBeUndefined();
    expect(headers.get(new HeaderName('z'))).toBe('5');
    expect(headers.isRemovedAt(0)).toBe(true);
    expect(headers.isRemovedAt(1)).toBe(false);
  });

  it('has exactly a value when one of its values is: received, added or removed', () => {
    const cases = [
      ['x: ann'],
      ['x: anna'],
      ['x: bob'],
      ['x:'],
      ['y: ann'],
      ['x: ann', 'X: bob'],
      ['y: 1', 'x: ann', 'z: 2'],
    ];
    for (const lines of cases) {
      for (const change of [() => {}, (h: HeaderMap) => h.add(x, 'ann'), (h: HeaderMap) => h.remove(x)]) {
        const headers = headersOf(...lines);
        change(headers);
        for (const value of ['ann', 'bob', '', 'ann,bob', 'ann,ann']) {
          const isOneOfThem = headers.some(x, (each) => each === value) === true;
          expect([lines, value, headers.hasExactly(x, value)]).toEqual([lines, value, isOneOfThem]);
        }
      }
    }
  });

  it('that is set replaces all of its name', () => {
    const headers = headersOf('x: 1', 'x: 2');
    headers.set(x, '3');
    headers.set(x, '4');
    expect(headers.get(x)).toBe('4');
  });

  it('can have the name of a property of every object', () => {
    const headers = headersOf('__proto__: 1', 'constructor: 2');
    expect(headers.get(new HeaderName('__proto__'))).toBe('1');
    expect(headers.get(new HeaderName('constructor'))).toBe('2');
    expect(headers.get(new HeaderName('toString'))).toBeUndefined();
  });

  it('is not mistaken for one with the same hash', () => {
    // 0x20 is set in every byte before hashing, so that these two collide.
    const [underscore, delete_] = ['a_b', 'a\x7fb'];
    expect(hashHeaderName(underscore)).toBe(hashHeaderName(delete_));
    expect(isHeaderName(underscore, 0, 3, delete_)).toBe(false);
    const headers = headersOf('a^b: 1');
    expect(hashHeaderName('a^b')).toBe(hashHeaderName('a~b'));
    expect(headers.get(new HeaderName('a~b'))).toBeUndefined();
  });
});

describe('a map', () => {
  it('is as new after a reset', () => {
    const headers = headersOf('x: 1', 'Connection: a', 'Connection: b');
    headers.add(x, '2');
    headers.reset();
    expect(headers.get(x)).toBeUndefined();
    expect(headers.knownValues(Known.connection)).toBeUndefined();
    expect(headers).toMatchObject({ text: '', count: 0, knownMask: 0, repeatedMask: 0, addedCount: 0 });
  });

  it('keeps what it has when it grows', () => {
    const headers = headersOf('x: 1');
    const room = headers.fields.length;
    headers.grow();
    expect(headers.fields.length).toBe(2 * room);
    expect(headers.get(x)).toBe('1');
  });
});

describe('known headers', () => {
  it('are found by their hashes, each under its own index', () => {
    knownHeaders.forEach(({ text, hash }, index) => {
      expect(knownHeaderIndex(hash), text).toBe(index);
      expect(knownHeaderIndex(hashHeaderName(text.toUpperCase())), text).toBe(index);
    });
    expect(Object.values(Known)).toEqual(knownHeaders.map((_, index) => index));
  });
});
