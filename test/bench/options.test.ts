import { describe, expect, it } from 'vitest';
import { benchCommand } from '../../bench/options.ts';

/** Which series runs with which options. */
async function parse(...args: string[]): Promise<unknown> {
  let called: unknown;
  const series = (name: string) => ({
    peerNames: ['heddle', 'http-proxy (no agent)'],
    run: (options: object) => {
      called = { series: name, ...options };
      return Promise.resolve();
    },
  });
  const program = benchCommand({
    hop: series('hop'),
    features: series('features'),
    openLoop: series('open-loop'),
    memory: series('memory'),
    tcp: series('tcp'),
    originalDestination: series('original-destination'),
    tls: series('tls'),
    http2: series('http2'),
    twoSidecars: series('two-sidecars'),
    inProcess: series('in-process'),
    mixer: series('mixer'),
    canary: series('canary'),
  });
  for (const command of [program, ...program.commands]) {
    command.exitOverride().configureOutput({ writeErr: () => {}, writeOut: () => {} });
  }
  await program.parseAsync(args, { from: 'user' });
  return called;
}

const common = { rounds: 5, seconds: 3, warmupSeconds: 2, connections: 64 };
/** All peers run at once. */
const sideBySide = { rounds: 3, seconds: 12, warmupSeconds: 5, connections: 64 };

describe('bench options', () => {
  it('of the series without sockets are its own', async () => {
    expect(await parse('in-process', '--rounds', '2')).toEqual({ series: 'in-process', rounds: 2, requests: 10_000 });
    await expect(parse('in-process', '--seconds', '1')).rejects.toThrow(/unknown option/);
  });

  it('of the simulations are the number of releases', async () => {
    expect(await parse('canary')).toEqual({ series: 'canary', releases: 10_000 });
    expect(await parse('canary', '--releases', '100', '--json', 'a.json')).toEqual({
      series: 'canary',
      releases: 100,
      json: 'a.json',
    });
    await expect(parse('canary', '--only', 'heddle')).rejects.toThrow(/unknown option/);
  });

  it('of the mixer are what reports to it', async () => {
    const defaults = { series: 10_000, sidecars: 2_000, seconds: 5 };
    expect(await parse('mixer')).toEqual(defaults);
    expect(await parse('mixer', '--sidecars', '10')).toEqual({ ...defaults, sidecars: 10 });
    await expect(parse('mixer', '--series', '0')).rejects.toThrow(/expected a whole number > 0/);
  });

  it.each([[[]], [['hop']]])('%j measures all peers with 100 B and 64 KiB bodies side by side', async (args) => {
    expect(await parse(...args)).toEqual({ series: 'hop', ...sideBySide, bodies: [100, 65_536] });
  });

  it.each([
    ['features', sideBySide],
    ['open-loop', { ...common, loadPercent: 50 }],
    ['original-destination', common],
    ['tls', { ...common, bodies: [100, 65_536] }],
    ['http2', { ...sideBySide, bodies: [100, 65_536] }],
    ['two-sidecars', { ...common, warmupSeconds: 10, rate: 1_000 }],
    ['memory', { ...common, rounds: 1, soakRequests: 10_000_000 }],
  ])('%s has defaults of its own', async (name, options) => {
    expect(await parse(name)).toEqual({ series: name, ...options });
  });

  it('take every value from the command line', async () => {
    const text = '--rounds 7 --seconds 4 --warmup-seconds 1 --bodies 0100,1048576 --connections 1 --json out.json';
    expect(await parse(...text.split(' '), '--only', 'heddle, http-proxy (no agent)')).toEqual({
      series: 'hop',
      only: ['heddle', 'http-proxy (no agent)'],
      rounds: 7,
      seconds: 4,
      warmupSeconds: 1,
      bodies: [100, 1_048_576],
      connections: 1,
      json: 'out.json',
    });
    expect(await parse('open-loop', '--rate', '900', '--load-percent', '70')).toMatchObject({
      rate: 900,
      loadPercent: 70,
    });
    expect(await parse('tls', '--warmup-seconds', '0')).toMatchObject({ warmupSeconds: 0 });
    expect(await parse('memory', '--soak-requests', '1000')).toMatchObject({ soakRequests: 1_000 });
  });

  it.each([
    [['--rounds', '0'], 'expected a whole number > 0, got 0'],
    [['--warmup-seconds', '-1'], 'expected a whole number > 0, got -1'],
    [['--seconds', '1.5'], 'expected a whole number > 0, got 1.5'],
    [['--bodies', '100,many'], 'expected a whole number > 0, got many'],
    [['features', '--bodies', '100'], "unknown option '--bodies'"],
    [['open-loop', '--load-percent', '101'], 'expected at most 100, got 101'],
    [['--only', 'heddle,squid'], 'no peer is called squid'],
    [['extra'], 'too many arguments'],
    [['--open-loop'], "unknown option '--open-loop'"],
  ])('refuse %j', async (args, message) => {
    await expect(parse(...args)).rejects.toThrow(message);
  });
});
