import { createServer, type Server } from 'node:net';
import { describe, expect, test } from 'vitest';
import type { Health } from '../../proxy/api/health.ts';
import { HealthReporter } from '../../proxy/health-reporter.ts';
import { closeAfterTest } from '../support/closing.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { unusedPort } from '../support/unused-port.ts';

/** An application whose state the test sets; undefined is ready. */
class FakeApplication {
  readonly clock = new ManualClock();
  readonly reports: Health[] = [];
  fault: string | undefined = 'not yet';
  probes = 0;
  /** Ends the probes under way; they end by themselves until `hold` is called. */
  answer = (): void => {};
  #answering: Promise<void> = Promise.resolve();
  readonly reporter = new HealthReporter({
    port: 8080,
    report: (health) => this.reports.push(health),
    clock: this.clock,
    probe: async ({ address, port }) => {
      expect(`${address}:${port}`).toBe('127.0.0.1:8080');
      this.probes += 1;
      await this.#answering;
      return this.fault;
    },
  });

  hold(): void {
    this.#answering = new Promise((resolve) => (this.answer = resolve));
  }

  /** Turns the clock and lets the probe that falls due come to its end. */
  async pass(ms: number): Promise<void> {
    this.clock.advance(ms);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

const healthy: Health = { kind: 'healthy' };
const unhealthy: Health = { kind: 'unhealthy', reason: 'not yet' };

describe('health reporter', () => {
  test('reports the first outcome at once, whichever it is', async () => {
    const application = new FakeApplication();
    await application.reporter.start();
    await application.pass(0);
    expect(application.reports).toEqual([unhealthy]);

    const ready = new FakeApplication();
    ready.fault = undefined;
    await ready.reporter.start();
    await ready.pass(0);
    expect(ready.reports).toEqual([healthy]);
  });

  test('an application that begins to listen is found within 100 ms, and then looked at once a second', async () => {
    const application = new FakeApplication();
    await application.reporter.start();
    await application.pass(0);
    for (let i = 0; i < 5; i += 1) await application.pass(100);
    expect(application.probes).toBe(6);
    expect(application.reports).toEqual([unhealthy]);
    application.fault = undefined;
    await application.pass(99);
    expect(application.reports).toHaveLength(1);
    await application.pass(1);
    expect(application.reports).toEqual([unhealthy, healthy]);
    await application.pass(999);
    expect(application.probes).toBe(7);
    await application.pass(1);
    expect(application.probes).toBe(8);
    expect(application.reports).toHaveLength(2);
  });

  test('one that stops listening is reported, and so is its return', async () => {
    const application = new FakeApplication();
    application.fault = undefined;
    await application.reporter.start();
    await application.pass(0);
    application.fault = 'gone';
    await application.pass(1000);
    application.fault = 'gone for another reason';
    await application.pass(100);
    application.fault = undefined;
    await application.pass(100);
    expect(application.reports).toEqual([healthy, { kind: 'unhealthy', reason: 'gone' }, healthy]);
  });

  test('there is never more than one probe under way', async () => {
    const application = new FakeApplication();
    application.hold();
    await application.reporter.start();
    await application.pass(10_000);
    expect(application.probes).toBe(1);
    application.answer();
    await application.pass(0);
    await application.pass(100);
    expect(application.probes).toBe(2);
  });

  test('closed, it says nothing more, not even the outcome of a probe under way', async () => {
    const application = new FakeApplication();
    application.hold();
    await application.reporter.start();
    await application.reporter.start();
    await application.reporter.drain(1000);
    await application.reporter.close();
    application.answer();
    await application.pass(1000);
    expect(application.probes).toBe(1);
    expect(application.reports).toEqual([]);
    expect(application.clock.pendingTimers).toBe(0);
  });

  test('closed before its start, it never begins', async () => {
    const application = new FakeApplication();
    await application.reporter.close();
    await application.reporter.start();
    expect(application.probes).toBe(0);
  });

  test('by default it connects to the port on loopback', async () => {
    const reports: Health[] = [];
    const clock = new ManualClock();
    const port = await unusedPort();
    await closeAfterTest(new HealthReporter({ port, clock, report: (health) => reports.push(health) })).start();
    await expect.poll(() => reports).toHaveLength(1);
    expect(reports).toEqual([{ kind: 'unhealthy', reason: `connecting to 127.0.0.1:${port} failed: ECONNREFUSED` }]);
    const server: Server = closeAfterTest(createServer());
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
    clock.advance(100);
    await expect.poll(() => reports).toHaveLength(2);
    expect(reports[1]).toEqual(healthy);
  });
});
