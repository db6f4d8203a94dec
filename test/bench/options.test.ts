import { describe, expect, it } from 'vitest';
import { type BenchOptions, benchCommand } from '../../bench/options.ts';

async function parse(...args: string[]): Promise<BenchOptions | undefined> {
  let options: BenchOptions | undefined;
  const command = benchCommand(['heddle', 'http-proxy (no agent)'], (decoded) => {
    options = decoded;
    return Promise.resolve();
  });
  await command
    .exitOverride()
    .configureOutput({ writeErr: () => {}, writeOut: () => {} })
    .parseAsync(args, { from: 'user' });
  return options;
}

describe('bench options', () => {
  it('measure all peers with 100 B and 64 KiB bodies in five rounds when nothing is said', async () => {
    expect(await parse()).toEqual({
      only: undefined,
      rounds: 5,
      seconds: 3,
      warmupSeconds: 2,
      bodies: [100, 65_536],
      connections: 64,
      json: undefined,
    });
  });

  it('take every value from the command line', async () => {
    const text = '--rounds 7 --seconds 4 --warmup-seconds 1 --bodies 0100,1048576 --connections 1 --json out.json';
    expect(await parse(...text.split(' '), '--only', 'heddle, http-proxy (no agent)')).toEqual({
      only: ['heddle', 'http-proxy (no agent)'],
      rounds: 7,
      seconds: 4,
      warmupSeconds: 1,
      bodies: [100, 1_048_576],
      connections: 1,
      json: 'out.json',
    });
  });

  it.each([
    [['--rounds', '0'], 'expected a whole number > 0, got 0'],
    [['--seconds', '1.5'], 'expected a whole number > 0, got 1.5'],
    [['--bodies', '100,many'], 'expected a whole number > 0, got many'],
    [['--only', 'heddle,squid'], 'no peer is called squid'],
    [['extra'], 'too many arguments'],
    [['--open-loop'], "unknown option '--open-loop'"],
  ])('refuse %j', async (args, message) => {
    await expect(parse(...args)).rejects.toThrow(message);
  });
});
