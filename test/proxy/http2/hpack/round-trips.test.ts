import { expect, it } from 'vitest';
import { seededRandom } from '../../../../proxy/common/seeded-random.ts';
import { newDecoder, newEncoder, roundTrip } from './blocks.ts';
import { RandomFields } from './random-fields.ts';

it.each([1, 2, 3, 4, 5])(
  'what one end writes the other one reads, while the table changes its size (seed %i)',
  (seed) => {
    const random = seededRandom(seed);
    const messages = new RandomFields(random);
    const encoder = newEncoder();
    const decoder = newDecoder();
    for (let block = 0; block < 1500; block++) {
      while (random() < 0.05) encoder.setPeerTableSize(Math.floor(random() * random() * 5000));
      roundTrip(encoder, decoder, [...messages.pseudo(), ...messages.list()]);
    }
  },
);

it('a table that stays as it is makes blocks small', () => {
  const messages = new RandomFields(seededRandom(6));
  const fields = [...messages.pseudo(), ...Array.from({ length: 10 }, (_, i) => [`x-${i}`, 'v'.repeat(30)] as const)];
  const encoder = newEncoder();
  const decoder = newDecoder();
  const first = roundTrip(encoder, decoder, fields).length;
  const second = roundTrip(encoder, decoder, fields).length;
  expect(first).toBeGreaterThan(300);
  expect(second).toBeLessThan(40);
});
