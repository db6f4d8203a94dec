/** `npm run bench -- mixer`: what telemetry costs the mixer and the sidecars, beside its goals. */
import { describeSetting } from '../report.ts';
import { formatTable } from '../text-table.ts';
import {
  measureEntries,
  measurePage,
  measureRecording,
  measureScrape,
  measureStreams,
  type MixerBenchOptions,
} from './measure.ts';
import { metricsPerLabelSet, type ReportForm, seriesPerLabelSet } from './reports.ts';

interface Row {
  readonly what: string;
  readonly measured: string;
  readonly goal: string;
  /** Undefined: no goal is set. */
  readonly isMet: boolean | undefined;
}

export async function runMixer(options: MixerBenchOptions): Promise<void> {
  const rows: Row[] = [];
  for (const measure of [recording, entries, pages, scrape, streams]) {
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

/** What "200 series" may mean: of Prometheus, where each bucket is one, or counters and histograms. */
const readings: readonly { readonly labelSets: number; readonly form: ReportForm; readonly goal: string }[] = [
  { labelSets: 3, form: 'references', goal: '≤ 50 %' },
  { labelSets: 50, form: 'references', goal: '≤ 50 %' },
  { labelSets: 3, form: 'whole', goal: '' },
];

async function streams(options: MixerBenchOptions): Promise<Row[]> {
  const rows: Row[] = [];
  for (const { labelSets, form, goal } of readings) {
    const { share, kept } = await measureStreams({ ...options, labelSets }, form);
    const metrics = labelSets * metricsPerLabelSet;
    const series = (labelSets * seriesPerLabelSet).toLocaleString('en');
    const said = form === 'whole' ? ', all labels each second' : '';
    const inTime = kept < 0.99 ? `, ${percent(kept)} in time` : '';
    rows.push({
      what: `${options.sidecars} sidecars, ${metrics} counters and histograms (${series} series) each${said}${inTime}`,
      measured: percent(share),
      goal,
      isMet: goal === '' ? undefined : share <= 0.5 && kept >= 0.99,
    });
  }
  return rows;
}

function percent(share: number): string {
  return `${(share * 100).toFixed(0)} %`;
}

function formatMixer(rows: readonly Row[], { series }: MixerBenchOptions): string {
  const { cpu, kernel, node } = describeSetting([]).machine;
  const cells = rows.map(({ what, measured, goal, isMet }) => [
    what,
    measured,
    goal,
    isMet === undefined ? '' : isMet ? 'met' : 'missed',
  ]);
  return [
    'The mixer, and what it costs to be seen by it. Sidecars report once a second over gRPC, and all of their series change;',
    `${series.toLocaleString('en')} label sets are live in each metric while entries and pages are measured; shares are of one core`,
    formatTable([['', 'measured', 'goal', ''], ...cells]),
    `${cpu}, Linux ${kernel}, Node ${node}`,
  ].join('\n');
}
