/** `heddle explain`: where a request goes and why, decided by the proxy's own code without a proxy. */
import { Option, type Command } from 'commander';
import { dump } from 'js-yaml';
import { type ApiClient, openApi, serverOption } from './api-client.ts';
import { collect } from './apply.ts';
import type { CommandContext } from './context.ts';
import { CommandError, exitCodes } from './exit-code.ts';
import { findUncovered, type UncoveredMatch } from './explain/coverage.ts';
import { createExplainer } from './explain/explainer.ts';
import type { Explanation } from './explain/explanation.ts';
import { formatExplanation } from './explain/explanation-text.ts';
import { findFailure, readExpectation } from './explain/expectations.ts';
import { loadMesh, type LoadedMesh } from './explain/mesh-source.ts';
import { readHeader, readRequest, usage } from './explain/request-options.ts';
import { readRequestsFile, type RequestCase } from './explain/requests-file.ts';
import { parseLabels, parseName } from './option-parsers.ts';

interface ExplainOptions {
  readonly filename?: readonly string[];
  readonly recursive?: boolean;
  readonly url?: string;
  readonly method: string;
  readonly header?: readonly string[];
  readonly sourceLabels?: Readonly<Record<string, string>>;
  readonly sourceNamespace: string;
  readonly seed: number;
  readonly assert?: readonly string[];
  readonly requests?: string;
  readonly coverage?: boolean;
  readonly failUncovered?: boolean;
  readonly output?: 'json' | 'yaml';
  readonly server?: string;
}

export function registerExplain(program: Command, context: CommandContext): void {
  program
    .command('explain')
    .summary('tell where a request goes and why')
    .description(
      'Sends a request through the code of pilot and of the proxy, without a proxy and without a network, and tells which ' +
        'rule takes it, why the rules in front of it do not, and what becomes of the request. With -f alone the files are the ' +
        'whole mesh; without -f it is what the control plane has; with -f and --server the files are laid over that.',
    )
    .option('-f, --filename <path>', 'file, directory (*.yaml, *.yml, *.json) or - for stdin; repeatable', collect)
    .option('-R, --recursive', 'read directories below directories too')
    .option('--url <url>', 'of the request, for example http://reviews/x')
    .option('--method <method>', 'of the request', 'GET')
    .option('-H, --header <header>', 'of the request, as "name: value"; repeatable', collect)
    .option('--source-labels <labels>', 'labels of the client, k=v,k=v', parseLabels)
    .option('--source-namespace <name>', 'namespace of the client', parseName, 'default')
    .option('--seed <number>', 'decides what is drawn by lot', parseSeed, 1)
    .option(
      '--assert <key=value>',
      'fail unless it is so: subset, cluster, host, port, route, rule, canary, weight (of the canary, in percent), outcome, status, flag, location, path, authority, timeout, header.NAME; repeatable',
      collect,
    )
    .option('--requests <file>', 'YAML list of requests {url, method, headers, expect}')
    .option('--coverage', 'list the matches that no request reached')
    .option('--fail-uncovered', 'fail when there are any')
    .addOption(new Option('-o, --output <format>', 'other than text').choices(['json', 'yaml']))
    .addOption(serverOption())
    .addHelpText(
      'after',
      "\nExamples:\n  heddle explain -f rules/ --url http://reviews/x -H 'end-user: jason'\n" +
        '  heddle explain --url http://reviews/ --source-labels app=web\n' +
        '  heddle explain -f rules/ --requests requests.yaml --coverage --fail-uncovered\n',
    )
    .action(async (options: ExplainOptions) => {
      const cases = await readCases(options);
      const mesh = await load(options, context);
      await explainAll(cases, mesh, { options, context });
    });
}

function parseSeed(text: string): number {
  if (!/^\d{1,10}$/.test(text)) throw usage(`--seed must be a whole number >= 0, got "${text}"`);
  return Number(text);
}

/** Of the command line and of the file. */
async function readCases(options: ExplainOptions): Promise<RequestCase[]> {
  const { url, method, header = [], requests } = options;
  const expectations = (options.assert ?? []).map(readExpectation);
  const headers = header.map(readHeader);
  if (url === undefined && requests === undefined) throw usage('--url or --requests is required');
  const own =
    url === undefined ? [] : [{ request: readRequest({ method, url, headers }), expectations, place: undefined }];
  const fromFile = requests === undefined ? [] : await readRequestsFile(requests);
  // Without a request of their own they are about all of them.
  const all = url === undefined ? expectations : [];
  return [...own, ...fromFile.map((each) => ({ ...each, expectations: [...each.expectations, ...all] }))];
}

async function load(options: ExplainOptions, context: CommandContext): Promise<LoadedMesh> {
  const { filename: paths = [], recursive: isRecursive = false, server } = options;
  const client: ApiClient | undefined =
    paths.length === 0 || server !== undefined ? openApi(options, context) : undefined;
  try {
    return await loadMesh({ paths, isRecursive, stdin: context.stdin, client });
  } finally {
    await client?.close();
  }
}

interface ExplainRun {
  readonly options: ExplainOptions;
  readonly context: CommandContext;
}

async function explainAll(cases: readonly RequestCase[], mesh: LoadedMesh, run: ExplainRun): Promise<void> {
  const { options, context } = run;
  const { view, warnings } = mesh;
  const client = { namespace: options.sourceNamespace, labels: options.sourceLabels ?? {} };
  const explainer = createExplainer({ view, client, seed: options.seed });
  for (const warning of warnings) context.stderr.write(`warning: ${warning}\n`);
  for (const host of explainer.assumed) {
    context.stderr.write(`note: ${host} is not declared in the files; a service with port 80 is assumed\n`);
  }
  const explanations: Explanation[] = [];
  const failures: string[] = [];
  for (const { request, expectations, place } of cases) {
    const explanation = await explainer.explain(request);
    if (explanation === undefined) throw new CommandError(`the proxy refuses ${request.method} ${request.url}`);
    explanations.push(explanation);
    const found = expectations.flatMap((expectation) => findFailure(expectation, explanation) ?? []);
    failures.push(...found.map((failure) => (place === undefined ? failure : `${place}: ${failure}`)));
  }
  const wantsCoverage = options.coverage === true || options.failUncovered === true;
  const uncovered = wantsCoverage ? findUncovered(view, explanations) : undefined;
  print({ explanations, uncovered, failures }, run);
  if (options.failUncovered === true && uncovered?.length) failures.push(`${uncovered.length} matches are not covered`);
  if (failures.length === 0) return;
  for (const failure of failures) context.stderr.write(`heddle: ${failure}\n`);
  context.exitCode = exitCodes.failed;
}

interface Report {
  readonly explanations: readonly Explanation[];
  readonly uncovered: readonly UncoveredMatch[] | undefined;
  readonly failures: readonly string[];
}

/** One request given on the command line is one object; everything else is a report. */
function print({ explanations, uncovered, failures }: Report, { options, context: { stdout } }: ExplainRun): void {
  const isSingle = options.requests === undefined && uncovered === undefined;
  const value = isSingle ? explanations[0] : { explanations, uncovered, failures };
  if (options.output === 'json') stdout.write(`${JSON.stringify(value, null, 2)}\n`);
  else if (options.output === 'yaml') stdout.write(dump(JSON.parse(JSON.stringify(value))));
  else stdout.write([explanations.map(formatExplanation).join('\n'), coverageText(uncovered)].join(''));
}

function coverageText(uncovered: Report['uncovered']): string {
  if (uncovered === undefined) return '';
  if (uncovered.length === 0) return '\nevery match was reached\n';
  const lines = uncovered.map(({ virtualService, path, name, place }) => {
    const named = name === undefined ? '' : ` "${name}"`;
    return `  ${virtualService} ${path}${named}${place === undefined ? '' : `  ${place}`}\n`;
  });
  return `\nnot reached by any request:\n${lines.join('')}`;
}
