import { defineConfig } from 'vitest/config';

/** What starts whole programs, or changes the process that it runs in. */
const apart = [
  'test/architecture.test.ts',
  'test/examples/**/*.test.ts',
  'test/mesh/**/*.test.ts',
  'test/proxy/listener/socket-options-fault.test.ts',
];
/** What drives the benchmark, or its load, as whole programs. */
const bench = ['test/bench/{bench,load,series}.test.ts'];
/** What compares latencies with each other. */
const latencies = ['test/bench/latencies.test.ts'];

export default defineConfig({
  test: {
    globalSetup: ['test/support/build.ts'],
    pool: 'forks',
    // More than the two cores that there are at least: what tests of whole processes do most is to wait for these.
    maxWorkers: 3,
    testTimeout: 30_000,
    // Many start a mesh of processes, each of which takes a second of a processor.
    hookTimeout: 60_000,
    // Of one group the projects run in the order of their names: the long files come first.
    projects: [
      { extends: true, test: { name: 'apart', include: apart, testTimeout: 90_000, sequence: { groupOrder: 0 } } },
      {
        extends: true,
        test: {
          name: 'together',
          include: ['test/**/*.test.ts'],
          exclude: [...apart, ...bench, ...latencies],
          // Loading the sources takes longer than most of these files: three processes load them once each.
          isolate: false,
          sequence: { groupOrder: 0 },
        },
      },
      // The benchmark fills every core: it runs when nobody else measures time, and what judges times runs alone.
      { extends: true, test: { name: 'bench', include: bench, maxWorkers: 2, sequence: { groupOrder: 1 } } },
      { extends: true, test: { name: 'latencies', include: latencies, sequence: { groupOrder: 2 } } },
    ],
  },
});
