/**
 * Long runs of both fuzzers: `node dist/test/proxy/http1/fuzz/main.js --inputs 1000000 --seed 7`. A finding tells its number;
 * `--from`, a little before it, finds it again: what the inputs before it left behind on connections may belong to it.
 */
import { parseArgs } from 'node:util';
import type { FuzzPlan, FuzzResult } from './fuzz-run.ts';
import { fuzzRequests } from './request-fuzz.ts';
import { fuzzResponses } from './response-fuzz.ts';

const fuzzers: Readonly<Record<string, (plan: FuzzPlan) => Promise<FuzzResult>>> = {
  requests: fuzzRequests,
  responses: fuzzResponses,
};

const progressIntervalMs = 10_000;

const { values } = parseArgs({
  options: {
    inputs: { type: 'string', default: '100000' },
    seed: { type: 'string', default: '1' },
    from: { type: 'string', default: '0' },
    only: { type: 'string' },
  },
});

function wholeNumber(name: string, text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 0) throw new Error(`--${name}: expected a whole number, got ${text}`);
  return value;
}

async function run(name: string, fuzz: (plan: FuzzPlan) => Promise<FuzzResult>): Promise<boolean> {
  const inputs = wholeNumber('inputs', values.inputs);
  const from = wholeNumber('from', values.from);
  if (from >= inputs) throw new Error(`--from: expected less than --inputs, which is ${inputs}, got ${from}`);
  const startMs = performance.now();
  let nextReportMs = startMs + progressIntervalMs;
  const rateOf = (done: number): number => Math.round((done - from) / ((performance.now() - startMs) / 1_000));
  const { forwarded, findings } = await fuzz({
    inputs,
    seed: wholeNumber('seed', values.seed),
    from,
    onInput(done) {
      if (performance.now() < nextReportMs) return;
      nextReportMs += progressIntervalMs;
      console.error(`${name}: ${done} of ${inputs} inputs, ${rateOf(done)}/s`);
    },
  });
  for (const finding of findings) console.log(`${name}: ${finding}`);
  console.log(`${name}: ${inputs - from} inputs, ${forwarded} messages forwarded, ${findings.length} findings`);
  return findings.length === 0;
}

if (values.only !== undefined && !(values.only in fuzzers)) {
  throw new Error(`--only: expected one of ${Object.keys(fuzzers).join(', ')}, got ${values.only}`);
}
for (const [name, fuzz] of Object.entries(fuzzers)) {
  if (values.only !== undefined && values.only !== name) continue;
  if (!(await run(name, fuzz))) process.exitCode = 1;
}
