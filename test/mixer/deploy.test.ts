/** What is shipped for Prometheus and Grafana, against Prometheus itself and against what a mixer really exports. */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { requireExecutable } from '../../bench/executable.ts';
import type { MixerServer } from '../../mixer/server.ts';
import { StatsStore } from '../../proxy/common/stats.ts';
import { closeAfterTest } from '../support/closing.ts';
import { eventually } from '../support/mesh.ts';
import { requirePeers } from '../support/peers.ts';
import { parsePrometheusText } from '../support/prometheus-text.ts';
import { unusedPort } from '../support/unused-port.ts';
import { httpEntry, httpLogs, LogClient, message, tcpEntry, tcpLogs } from './log-messages.ts';
import { flushIntervalMs, Sidecar, startMixer } from './mesh-of-two.ts';

const folder = 'mixer/deploy';

interface Dashboard {
  readonly uid: string;
  readonly templating: { readonly list: readonly { readonly name: string; readonly definition?: string }[] };
  readonly panels: readonly { readonly title: string; readonly targets: readonly { readonly expr: string }[] }[];
}

async function readDashboard(): Promise<Dashboard> {
  return JSON.parse(await readFile(join(folder, 'grafana-dashboard.json'), 'utf8')) as Dashboard;
}

async function readRules(): Promise<string> {
  return readFile(join(folder, 'alert-rules.yaml'), 'utf8');
}

/** Exit code and everything that it said. */
function run(program: string, args: readonly string[], input = ''): Promise<{ code: number; output: string }> {
  return new Promise((resolve) => {
    const child = execFile(requireExecutable(program, program), args, (error, stdout, stderr) => {
      resolve({ code: Number(error?.code ?? 0), output: stdout + stderr });
    });
    child.stdin?.end(input);
  });
}

/** A mixer to which a sidecar and an Envoy report, in all that it counts; `more` lets them go on. */
async function startFedMixer(): Promise<{ readonly mixer: MixerServer; readonly more: () => Promise<void> }> {
  const mixer = closeAfterTest(await startMixer());
  const stats = new StatsStore();
  const sidecar = new Sidecar('web', { mixer, stats, startTimeMs: Date.now() });
  await sidecar.sink.start();
  closeAfterTest(sidecar.sink);
  const client = closeAfterTest(new LogClient(mixer.grpcPort));
  const service = { host: 'reviews.shop.svc.cluster.local', name: 'reviews', namespace: 'shop' };
  const workload = { name: 'r', namespace: 'shop', canonicalService: 'r', canonicalRevision: 'v1', clusterId: 'k' };
  const more = async (): Promise<void> => {
    const scope = sidecar.metrics.outboundScope(service, workload);
    for (const [code, flags] of [
      [200, '-'],
      [503, 'UF'],
      [503, 'UH'],
      [503, 'UO'],
    ] as const) {
      sidecar.metrics.record(scope, code, flags, 40, 10, 100);
    }
    const tcp = sidecar.metrics.tcpSeries(scope, '-');
    tcp.openedCount += 1;
    tcp.closedCount += 1;
    tcp.sentBytes += 10;
    tcp.receivedBytes += 10;
    stats.counter('cluster.reviews.upstream_rq_retry').value += 1;
    for (const stat of [
      'rbac.deny_rules.policy.shop/a.denied',
      'rbac.deny_rules.policy.shop/b.shadow_denied',
      'rbac.allow_rules.denied',
      'rbac.allow_rules.shadow_denied',
      'ext_authz.authz.denied',
      'ext_authz.authz.error',
    ]) {
      stats.counter(`http.inbound_0.0.0.0_80.${stat}`).value += 1;
    }
    sidecar.clock.advance(flushIntervalMs);
    const start_time = new Date().toISOString();
    await client.send(
      message({ ...httpLogs(httpEntry({ start_time }), httpEntry({ start_time, upstream_cluster: 'bad' })) }),
    );
    await client.send(message(tcpLogs(tcpEntry({ start_time }))));
  };
  await more();
  return { mixer, more };
}

async function page(mixer: MixerServer, accept = ''): Promise<string> {
  const response = await fetch(`http://127.0.0.1:${mixer.metricsPort}/metrics`, { headers: { accept } });
  return response.text();
}

/** Names of metrics, each with the labels that an expression uses of it, or of what it is summed by. */
function namesIn(expression: string): { readonly metrics: string[]; readonly labels: string[] } {
  const metrics = expression.match(/\b(?:istio|envoy|heddle)_[a-z_]+(?=[{[ ]|$)/g) ?? [];
  const groups = [...expression.matchAll(/\bby \(([^)]*)\)/g)].flatMap(([, list = '']) => list.split(/,\s*/));
  const matchers = [...expression.matchAll(/([a-z_]+)(?:=~|!~|!=|=)"/g)].map(([, name = '']) => name);
  return { metrics, labels: [...groups, ...matchers] };
}

function expressionsOfRules(rules: string): string[] {
  return rules
    .split(/- alert: /)
    .slice(1)
    .map((rule) => /expr: (?:\|\n)?([^]*?)\n {8}(?:for|labels):/.exec(rule)?.[1] ?? '');
}

describe('what is shipped', () => {
  test('uses only metrics and labels that a mixer exports which is reported to', async () => {
    const { mixer, more } = await startFedMixer();
    const { panels, templating } = await readDashboard();
    const rules = expressionsOfRules(await readRules());
    expect(rules.length).toBeGreaterThan(8);
    const shown = panels.flatMap(({ targets }) => targets.map(({ expr }) => expr));
    const expressions = [
      ...rules,
      ...shown,
      ...templating.list.flatMap(({ definition = '' }) => definition.replace(/^label_values\(|\)$/g, '')),
    ];
    await eventually(async () => {
      await more();
      const families = parsePrometheusText(await page(mixer));
      const exported = new Map<string, Set<string>>();
      for (const { samples } of families.values()) {
        for (const { name, labels } of samples)
          exported.set(name, new Set([...(exported.get(name) ?? []), ...Object.keys(labels)]));
      }
      const missing = expressions.flatMap((expression) => {
        const { metrics, labels } = namesIn(expression.replace(/,\s*destination_service$/, ''));
        const known = new Set(metrics.flatMap((name) => [...(exported.get(name) ?? [])]));
        // Prometheus gives a target its own.
        const isOfTarget = metrics.length === 0;
        return [
          ...metrics.filter((name) => !exported.has(name)),
          ...labels.filter((label) => !isOfTarget && !known.has(label)).map((label) => `${label} in ${expression}`),
        ];
      });
      expect(missing).toEqual([]);
      return true;
    });
  });

  test('is valid to promtool, and so is what the mixer exports, save for the names that Istio gave', async (context) => {
    requirePeers(context, 'promtool');
    expect(await run('promtool', ['check', 'config', join(folder, 'prometheus.yaml')])).toMatchObject({
      code: 0,
      output: expect.stringContaining('10 rules found') as string,
    });
    const { mixer } = await startFedMixer();
    const { output } = await run('promtool', ['check', 'metrics'], await page(mixer));
    const complaints = output.split('\n').filter((line) => line !== '');
    // Milliseconds in a name, and counters of Envoy without _total.
    const historic = /^(istio_request_duration_milliseconds|envoy_\w+) /;
    expect(complaints.filter((line) => !historic.test(line))).toEqual([]);
  });

  test('works: Prometheus scrapes the mixer, and every panel of the dashboard shows something', async (context) => {
    requirePeers(context, 'prometheus');
    const { mixer, more } = await startFedMixer();
    const dir = await mkdtemp(join(tmpdir(), 'heddle-prometheus-'));
    onTestFinished(() => rm(dir, { recursive: true, force: true }));
    const config = (await readFile(join(folder, 'prometheus.yaml'), 'utf8'))
      .replaceAll('15s', '1s')
      .replace('15014', String(mixer.metricsPort));
    await writeFile(join(dir, 'prometheus.yaml'), config);
    await writeFile(join(dir, 'alert-rules.yaml'), await readRules());
    const port = await unusedPort();
    const args = [
      `--config.file=${join(dir, 'prometheus.yaml')}`,
      `--storage.tsdb.path=${join(dir, 'data')}`,
      `--web.listen-address=127.0.0.1:${port}`,
      '--enable-feature=exemplar-storage',
    ];
    const child = spawn(requireExecutable('prometheus', 'prometheus'), args, { stdio: 'ignore' });
    onTestFinished(async () => {
      const ended = once(child, 'exit');
      child.kill('SIGKILL');
      await ended;
    });
    const { panels } = await readDashboard();
    const query = async (expression: string): Promise<number> => {
      const response = await fetch(`http://127.0.0.1:${port}/api/v1/query?query=${encodeURIComponent(expression)}`);
      const { data, error } = (await response.json()) as { data?: { result: unknown[] }; error?: string };
      if (data === undefined) throw new Error(`${expression}: ${error}`);
      return data.result.length;
    };
    const expressions = panels.flatMap(({ targets }) => targets.map(({ expr }) => expr));
    await eventually(async () => {
      await more();
      for (const expression of expressions) {
        const concrete = expression.replaceAll('$__rate_interval', '10s').replaceAll('$service', '.*');
        expect(await query(concrete), concrete).toBeGreaterThan(0);
      }
      return true;
    }, 25_000);
    const rules = await fetch(`http://127.0.0.1:${port}/api/v1/rules`);
    const { data } = (await rules.json()) as {
      data: { groups: { rules: { health: string; lastError?: string }[] }[] };
    };
    const broken = data.groups.flatMap((group) => group.rules).filter(({ health }) => health === 'err');
    expect(broken).toEqual([]);
  }, 60_000);
});
