/** Short runs; `npm run fuzz -- --inputs 1000000 --seed 7` makes long ones. */
import { describe, expect, it } from 'vitest';
import { fuzzRequests } from './request-fuzz.ts';
import { fuzzResponses } from './response-fuzz.ts';

const seed = 1;

describe('R4: in thousands of damaged messages', () => {
  it('the backend reads exactly the requests that the proxy forwarded, and llhttp reads them from the client', async () => {
    const inputs = 3_000;
    const { forwarded, findings } = await fuzzRequests({ inputs, seed });
    expect(findings).toEqual([]);
    expect(forwarded).toBeGreaterThan(inputs / 4);
  }, 90_000);

  it('clients get the response that llhttp reads from the upstream, or an error', async () => {
    const inputs = 1_000;
    const { forwarded, findings } = await fuzzResponses({ inputs, seed });
    expect(findings).toEqual([]);
    expect(forwarded).toBeGreaterThan(inputs / 4);
  }, 60_000);
});
