/** Long runs of both fuzzers: `node dist/test/proxy/http1/fuzz/main.js --inputs 1000000 --seed 7`. */
import { Command, InvalidArgumentError, Option } from 'commander';
import type { FuzzPlan, FuzzResult } from './fuzz-run.ts';
import { fuzzRequests } from './request-fuzz.ts';
import { fuzzResponses } from './response-fuzz.ts';

type Fuzz = (plan: FuzzPlan) => Promise<FuzzResult>;

const fuzzers = new Map<string, Fuzz>([
  ['requests', fuzzRequests],
  ['responses', fuzzResponses],
]);

const progressIntervalMs = 10_000;

interface FuzzOptions {
  readonly inputs: number;
  readonly seed: number;
  readonly from: number;
  readonly only?: string;
}

const command = new Command('fuzz')
  .description('Sends the proxy what a seed makes of requests and responses, beside node:http. Findings: exit code 1.')
  .option('--inputs <n>', 'of each fuzzer', wholeNumber, 100_000)
  .option('--seed <n>', 'the same seed makes the same inputs', wholeNumber, 1)
  // What the inputs before it left behind on connections may belong to a finding.
  .option('--from <n>', 'begin at this input: a little before a finding, to see it again', wholeNumber, 0)
  .addOption(new Option('--only <fuzzer>', 'one of the two').choices([...fuzzers.keys()]))
  .allowExcessArguments(false)
  .action(run);

function wholeNumber(text: string): number {
  const value = Number(text);
  if (text === '' || !Number.isSafeInteger(value) || value < 0) {
    throw new InvalidArgumentError(`expected a whole number, got ${text}`);
  }
  return value;
}

async function run(options: FuzzOptions): Promise<void> {
  const { inputs, from, only } = options;
  if (from >= inputs) command.error(`error: --from: expected less than --inputs, which is ${inputs}, got ${from}`);
  for (const [name, fuzz] of fuzzers) {
    if (only !== undefined && only !== name) continue;
    if (!(await runOne(name, fuzz, options))) process.exitCode = 1;
  }
}

async function runOne(name: string, fuzz: Fuzz, { inputs, seed, from }: FuzzOptions): Promise<boolean> {
  const startMs = performance.now();
  let nextReportMs = startMs + progressIntervalMs;
  const rateOf = (done: number): number => Math.round((done - from) / ((performance.now() - startMs) / 1_000));
  const { forwarded, findings } = await fuzz({
    inputs,
    seed,
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

await command.parseAsync();
