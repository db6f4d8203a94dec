/** A Containerfile as stages, and the rules that ours keep. */
import { type Copy, DockerfileParser, type Instruction, type JSONInstruction } from 'dockerfile-ast';

export interface Stage {
  readonly name: string;
  /** An image, or the name of an earlier stage. */
  readonly base: string;
  readonly instructions: readonly Instruction[];
}

/** Arguments before the first FROM are filled in with their defaults. */
export function parseContainerfile(text: string): readonly Stage[] {
  const dockerfile = DockerfileParser.parse(text);
  const defaults = dockerfile.getInitialARGs().map((arg) => arg.getProperty());
  const stages: { name: string; base: string; instructions: Instruction[] }[] = [];
  for (const instruction of dockerfile.getInstructions()) {
    const words = instruction.getArguments().map((argument) => argument.getValue());
    if (instruction.getKeyword() === 'FROM') {
      const [base = '', , name = ''] = words;
      const filledIn = base.replace(
        /^\$\{(\w+)\}$/,
        (_, arg: string) => defaults.find((one) => one?.getName() === arg)?.getValue() ?? '',
      );
      stages.push({ name, base: filledIn, instructions: [] });
    } else {
      stages.at(-1)?.instructions.push(instruction);
    }
  }
  return stages;
}

/** Everything that made the stage, from its image on. */
export function lineage(stages: readonly Stage[], name: string): readonly Instruction[] {
  const stage = stages.find((one) => one.name === name);
  return stage === undefined ? [] : [...lineage(stages, stage.base), ...stage.instructions];
}

/** The arguments of the last instruction of this kind, which is the one in force. */
export function inForce(instructions: readonly Instruction[], keyword: string): string | undefined {
  return instructions.findLast((one) => one.getKeyword() === keyword)?.getArgumentsContent() ?? undefined;
}

/** The words of CMD or ENTRYPOINT in exec form; undefined for the form that a shell reads, which swallows signals. */
export function execForm(text: string | undefined): readonly string[] | undefined {
  if (text?.startsWith('[') !== true) return undefined;
  return JSON.parse(text) as string[];
}

interface CopyOrder {
  readonly from: string | undefined;
  readonly sources: readonly string[];
  readonly target: string;
}

export function copies(instructions: readonly Instruction[]): readonly CopyOrder[] {
  return instructions.filter(isCopy).map((copy) => {
    const words = copy.getArguments().map((argument) => argument.getValue());
    const from = copy.getFromFlag()?.getValue() ?? undefined;
    return { from, sources: words.slice(0, -1), target: words.at(-1) ?? '' };
  });
}

function isCopy(instruction: Instruction): instruction is Copy & JSONInstruction {
  return instruction.getKeyword() === 'COPY';
}

export interface Context {
  /** Whether a path is in what is sent to the builder: it exists, and `.dockerignore` lets it in. */
  readonly has: (path: string) => boolean;
}

/** One sentence for each rule that is broken. The image that is delivered is the last stage. */
export function findFaults(text: string, { has }: Context): readonly string[] {
  const stages = parseContainerfile(text);
  return [...stages.flatMap((stage, index) => stageFaults(stage, stages.slice(0, index), has)), ...imageFaults(stages)];
}

function stageFaults(stage: Stage, earlier: readonly Stage[], has: Context['has']): readonly string[] {
  const faults: string[] = [];
  const isEarlier = (name: string): boolean => earlier.some((one) => one.name === name);
  const { name, base, instructions } = stage;
  if (!isEarlier(base) && !/^[\w.-]+\.[a-z]+\/[\w/.-]+:\d+\.\d+\.\d+[\w.-]*(@sha256:\w+)?$/.test(base)) {
    faults.push(`${name}: the image "${base}" is not pinned: registry/name:major.minor.patch`);
  }
  for (const { from, sources } of copies(instructions)) {
    if (from === undefined) {
      for (const path of sources.filter((one) => !has(one))) faults.push(`${name}: ${path} is not in the context`);
    } else if (!isEarlier(from)) {
      faults.push(`${name}: COPY from ${from}, which is no earlier stage`);
    }
    const isModules = sources.some((path) => path.endsWith('/node_modules'));
    if (isModules && !runs(earlier, from).some((run) => /^npm ci .*--omit=dev/.test(run))) {
      faults.push(`${name}: the packages are not those of npm ci --omit=dev`);
    }
  }
  for (const run of runs([stage], name)) {
    if (/\bnpm (i|install)\b/.test(run)) faults.push(`${name}: "${run}" does not keep to package-lock.json`);
    if (/\b(curl|wget)\b/.test(run)) faults.push(`${name}: "${run}" fetches what nothing pins`);
  }
  if (instructions.some((one) => one.getKeyword() === 'ADD')) faults.push(`${name}: ADD unpacks and fetches; use COPY`);
  return faults;
}

function runs(stages: readonly Stage[], name: string | undefined): readonly string[] {
  const instructions = stages.find((stage) => stage.name === name)?.instructions ?? [];
  return instructions.filter((one) => one.getKeyword() === 'RUN').map((one) => one.getArgumentsContent() ?? '');
}

function imageFaults(stages: readonly Stage[]): readonly string[] {
  const name = stages.at(-1)?.name ?? '';
  const all = lineage(stages, name);
  const faults: string[] = [];
  const user = inForce(all, 'USER');
  if (user !== '1337:1337') faults.push(`${name}: runs as ${user ?? 'root'}, not as 1337:1337`);
  for (const keyword of ['ENTRYPOINT', 'CMD']) {
    if (execForm(inForce(all, keyword)) === undefined) faults.push(`${name}: ${keyword} is not in exec form`);
  }
  const health = inForce(all, 'HEALTHCHECK');
  if (execForm(health?.replace(/^.*?CMD /, '')) === undefined) faults.push(`${name}: no HEALTHCHECK in exec form`);
  if (inForce(all, 'STOPSIGNAL') !== 'SIGTERM') faults.push(`${name}: STOPSIGNAL is not SIGTERM, on which it drains`);
  if (all.some((one) => (one.getArgumentsContent() ?? '').includes('apt-get'))) {
    faults.push(`${name}: has more programs than Node and its own`);
  }
  return faults;
}
