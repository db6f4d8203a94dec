/** A strict reader of Prometheus' text format 0.0.4: throws at the first line that breaks a rule. */

export interface TextSample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface TextFamily {
  readonly name: string;
  readonly type: string;
  readonly samples: TextSample[];
}

const metricName = '[a-zA-Z_:][a-zA-Z0-9_:]*';
const sampleLine = new RegExp(`^(${metricName})(?:\\{(.*)\\})? (\\S+)$`);
const typeLine = new RegExp(`^# TYPE (${metricName}) (counter|gauge|histogram|summary|untyped)$`);
const labelPattern = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)/y;

/** Families by name. */
export function parsePrometheusText(text: string): Map<string, TextFamily> {
  if (text !== '' && !text.endsWith('\n')) throw new Error('the last line must end with a line feed');
  const families = new Map<string, TextFamily>();
  const seen = new Set<string>();
  let current: TextFamily | undefined;
  for (const line of text.split('\n').slice(0, -1)) {
    if (line.startsWith('# HELP ') || line === '') continue;
    const type = typeLine.exec(line);
    if (type !== null) {
      current = { name: type[1] ?? '', type: type[2] ?? '', samples: [] };
      if (families.has(current.name)) throw new Error(`${current.name} appears in two groups`);
      families.set(current.name, current);
      continue;
    }
    const sample = parseSample(line);
    if (current === undefined || !belongsTo(sample.name, current)) throw new Error(`no TYPE before: ${line}`);
    const identity = `${sample.name}\n${labelKey(sample.labels)}`;
    if (seen.has(identity)) throw new Error(`series appears twice: ${line}`);
    seen.add(identity);
    current.samples.push(sample);
  }
  for (const family of families.values()) if (family.type === 'histogram') checkHistogram(family);
  return families;
}

/** The value of the one sample with these labels (others may be there too); undefined when there is none. */
export function findSample(
  families: ReadonlyMap<string, TextFamily>,
  name: string,
  labels: Readonly<Record<string, string>> = {},
): number | undefined {
  const matching = findSamples(families, name, labels);
  if (matching.length > 1) throw new Error(`${matching.length} samples of ${name} match ${JSON.stringify(labels)}`);
  return matching[0]?.value;
}

/** The sum over all samples with these labels. */
export function sumSamples(
  families: ReadonlyMap<string, TextFamily>,
  name: string,
  labels: Readonly<Record<string, string>> = {},
): number {
  return findSamples(families, name, labels).reduce((sum, { value }) => sum + value, 0);
}

function findSamples(
  families: ReadonlyMap<string, TextFamily>,
  name: string,
  labels: Readonly<Record<string, string>>,
): TextSample[] {
  const family = families.get(name) ?? families.get(name.replace(/_(bucket|sum|count)$/, ''));
  return (family?.samples ?? []).filter(
    (sample) =>
      sample.name === name && Object.entries(labels).every(([label, value]) => sample.labels[label] === value),
  );
}

function parseSample(line: string): TextSample {
  const match = sampleLine.exec(line);
  if (match === null) throw new Error(`not a sample: ${line}`);
  const [, name = '', labelText = '', valueText = ''] = match;
  const value = valueText === '+Inf' ? Infinity : valueText === '-Inf' ? -Infinity : Number(valueText);
  if (Number.isNaN(value) && valueText !== 'NaN') throw new Error(`not a number: ${line}`);
  return { name, labels: parseLabels(labelText, line), value };
}

function parseLabels(text: string, line: string): Record<string, string> {
  const labels: Record<string, string> = {};
  labelPattern.lastIndex = 0;
  while (labelPattern.lastIndex < text.length) {
    const match = labelPattern.exec(text);
    if (match === null) throw new Error(`malformed labels: ${line}`);
    const [, name = '', value = ''] = match;
    if (Object.hasOwn(labels, name)) throw new Error(`label ${name} twice: ${line}`);
    labels[name] = value.replaceAll(/\\(.)/g, (_, char: string) => (char === 'n' ? '\n' : char));
  }
  return labels;
}

/** The same for the same labels in any order. */
function labelKey(labels: Readonly<Record<string, string>>): string {
  return Object.keys(labels)
    .sort()
    .map((name) => `${name}=${labels[name]}`)
    .join('\n');
}

function belongsTo(sampleName: string, { name, type }: TextFamily): boolean {
  if (type !== 'histogram') return sampleName === name;
  return [`${name}_bucket`, `${name}_sum`, `${name}_count`].includes(sampleName);
}

/** Buckets ascend and are cumulative, +Inf is there and equals the count. */
function checkHistogram({ name, samples }: TextFamily): void {
  const series = new Map<string, { bounds: number[]; counts: number[]; count?: number; hasSum: boolean }>();
  for (const sample of samples) {
    const { le, ...labels } = sample.labels;
    const key = labelKey(labels);
    const entry = series.get(key) ?? { bounds: [], counts: [], hasSum: false };
    series.set(key, entry);
    if (sample.name === `${name}_bucket`) {
      entry.bounds.push(le === '+Inf' ? Infinity : Number(le));
      entry.counts.push(sample.value);
    } else if (sample.name === `${name}_count`) entry.count = sample.value;
    else entry.hasSum = true;
  }
  for (const [key, { bounds, counts, count, hasSum }] of series) {
    const isAscending = bounds.every((bound, i) => i === 0 || bound > (bounds[i - 1] ?? NaN));
    const isCumulative = counts.every((value, i) => i === 0 || value >= (counts[i - 1] ?? NaN));
    const isComplete = bounds.at(-1) === Infinity && counts.at(-1) === count && hasSum;
    if (!isAscending || !isCumulative || !isComplete) throw new Error(`${name} ${key} is not a valid histogram`);
  }
}
