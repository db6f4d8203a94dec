/** Instances that count, restart and disappear, and a network that delays, repeats, reorders and loses their reports. */
import { expect, test } from 'vitest';
import { seededRandom } from '../support/seeded-random.ts';
import { counter, createLedger, shown, startMs } from './samples.ts';

const versions = ['v1', 'v2', 'v3'];

/** One start of an instance: what it really counted. */
interface Run {
  readonly nodeId: string;
  readonly createdMs: number;
  readonly counts: Record<string, number>;
}

interface Report {
  readonly nodeId: string;
  readonly createdMs: number;
  readonly counts: Readonly<Record<string, number>>;
}

for (let seed = 1; seed <= 20; seed += 1) {
  test(`totals are exact after 2,000 random events, and never too high or falling before (seed ${seed})`, () => {
    const random = seededRandom(seed);
    const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)] as T;
    const { ledger, read } = createLedger();
    const truth: Record<string, number> = {};
    const network: Report[] = [];
    let starts = 0;
    const start = (nodeId: string): Run => ({ nodeId, createdMs: startMs + (starts += 1), counts: {} });
    const reportOf = ({ nodeId, createdMs, counts }: Run): Report => ({ nodeId, createdMs, counts: { ...counts } });
    const running = ['a', 'b', 'c', 'd'].map(start);

    const deliver = (report: Report): void => {
      const instance = ledger.openStream(report.nodeId, startMs);
      if (instance === undefined) throw new Error('refused');
      for (const [version, value] of Object.entries(report.counts)) {
        ledger.apply(instance, counter(version, value, report.createdMs), startMs);
      }
      ledger.closeStream(instance, startMs);
    };
    const deliverRandom = (): void => {
      const index = Math.floor(random() * network.length);
      const [report] = random() < 0.2 ? network.slice(index, index + 1) : network.splice(index, 1);
      if (report !== undefined) deliver(report);
    };
    const restartRandom = (): void => {
      const index = Math.floor(random() * running.length);
      const run = running[index] as Run;
      network.push(reportOf(run));
      running[index] = start(run.nodeId);
    };

    let before: Record<string, unknown> = {};
    const lastReports: Report[] = [];
    for (let event = 0; event < 2000; event += 1) {
      const chance = random();
      if (chance < 0.5) {
        const version = pick(versions);
        const { counts } = pick(running);
        counts[version] = (counts[version] ?? 0) + 1;
        truth[version] = (truth[version] ?? 0) + 1;
      } else if (chance < 0.7) network.push(reportOf(pick(running)));
      else if (chance < 0.97) deliverRandom();
      else if (chance < 0.98) {
        // A report that is lost, unless it is the last of its start.
        const lost = network.findIndex(({ createdMs }) => running.some((run) => run.createdMs === createdMs));
        if (lost >= 0) network.splice(lost, 1);
      } else restartRandom();
      const now = read();
      for (const version of versions) {
        const total = Number(now[shown(version)] ?? 0);
        expect(total).toBeGreaterThanOrEqual(Number(before[shown(version)] ?? 0));
        expect(total).toBeLessThanOrEqual(truth[version] ?? 0);
      }
      before = now;
    }
    lastReports.push(...network, ...running.map(reportOf));
    while (lastReports.length > 0) {
      const [report] = lastReports.splice(Math.floor(random() * lastReports.length), 1);
      if (report !== undefined) deliver(report);
    }
    expect(read()).toEqual(Object.fromEntries(Object.entries(truth).map(([version, n]) => [shown(version), n])));
  });
}
