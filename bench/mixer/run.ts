/** `npm run bench -- mixer`: what telemetry costs the mixer and the sidecars, beside its goals. */
import { describeSetting } from '../report.ts';
import { formatTable } from '../text-table.ts';
import {
  measureEntries,
  measurePage,
  measureRecording,
  measureReports,
  measureScrape,
  measureStreams,
  type MixerBenchOptions,
} from './measure.ts';
import { metricsPerLabelSet, seriesPerLabelSet } from './reports.ts';

interface Row {
  readonly what: string;
  readonly measured: string;
  readonly goal: string;
  /** Undefined: no goal is set. */
  readonly isMet: boolean | undefined;
}

export async function runMixer(options: MixerBenchOptions): Promise<void> {
  const rows: Row[] = [];
  for (const measure of [recording, entries, pages, scrape, reports, streams]) {
    console.error(`mixer: ${measure.name}`);
    rows.push(...(await measure(options)));
  }
  console.log(formatMixer(rows, options));
}

function recording(): Promise<Row[]> {
  const nanos = measureRecording();
  const row = { what: 'counting a request, in the sidecar', goal: '≤ 1 µs', isMet: nanos <= 1_000 };
  return Promise.resolve([{ ...row, measured: `${nanos.toFixed(0)} ns` }]);
}

function entries(options: MixerBenchOptions): Promise<Row[]> {
  const perSecond = measureEntries(options);
  const row = { what: 'access-log entries per core', goal: '≥ 50,000/s', isMet: perSecond >= 50_000 };
  return Promise.resolve([{ ...row, measured: `${Math.round(perSecond).toLocaleString('en')}/s` }]);
}

async function pages(options: MixerBenchOptions): Promise<Row[]> {
  const rows: Row[] = [];
  for (const format of ['text', 'openmetrics'] as const) {
    const { longestMs, totalMs, bytes } = await measurePage(options, format);
    const page = `${(bytes / 1e6).toFixed(0)} MB in ${totalMs.toFixed(0)} ms`;
    rows.push({
      what: `/metrics as ${format}, loop held (${page})`,
      measured: `${longestMs.toFixed(1)} ms`,
      goal: '≤ 20 ms',
      isMet: longestMs <= 20,
    });
  }
  return rows;
}

async function scrape(options: MixerBenchOptions): Promise<Row[]> {
  const longestMs = await measureScrape(options);
  const what = '/metrics over HTTP, loop held';
  return [{ what, measured: `${longestMs.toFixed(1)} ms`, goal: '≤ 20 ms', isMet: longestMs <= 20 }];
}

/** Label sets that make 200 counters and histograms, where those are what is called series. */
const manyLabelSets = 50;

async function reports(options: MixerBenchOptions): Promise<Row[]> {
  const share = await measureReports(options);
  const many = await measureReports({ ...options, labelSets: manyLabelSets });
  const what = `reports of ${options.sidecars} sidecars: decoding, checking, adding up`;
  return [
    { what, measured: percent(share), goal: '≤ 50 %', isMet: share <= 0.5 },
    { what: `the same with ${manyLabelSets} label sets`, measured: percent(many), goal: '', isMet: undefined },
  ];
}

async function streams(options: MixerBenchOptions): Promise<Row[]> {
  const { share, kept } = await measureStreams(options);
  const what = `the reports over gRPC, ${percent(Math.min(1, kept))} of the reports in time`;
  return [{ what, measured: percent(share), goal: '≤ 50 %', isMet: share <= 0.5 && kept >= 0.99 }];
}

function percent(share: number): string {
  return `${(share * 100).toFixed(0)} %`;
}

function formatMixer(rows: readonly Row[], { labelSets, series }: MixerBenchOptions): string {
  const { cpu, kernel, node } = describeSetting([]).machine;
  const cells = rows.map(({ what, measured, goal, isMet }) => [
    what,
    measured,
    goal,
    isMet === undefined ? '' : isMet ? 'met' : 'missed',
  ]);
  return [
    `The mixer, and what it costs to be seen by it; a report has ${labelSets} label sets of ${metricsPerLabelSet} metrics`,
    `(${labelSets * seriesPerLabelSet} series of Prometheus), ${series.toLocaleString('en')} label sets are live in each metric; shares are of one core`,
    formatTable([['', 'measured', 'goal', ''], ...cells]),
    `${cpu}, Linux ${kernel}, Node ${node}`,
  ].join('\n');
}
