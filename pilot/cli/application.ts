/** The application that `heddle run` starts next to its sidecar. */
import { spawn, type ChildProcess } from 'node:child_process';
import { CommandError, exitCodeOfSignal, exitCodes } from './exit-code.ts';

export class Application {
  readonly #command: readonly string[];
  readonly #env: NodeJS.ProcessEnv;
  #child: ChildProcess | undefined;

  /** `command` is the program and its arguments; no shell is involved. */
  constructor(command: readonly string[], env: NodeJS.ProcessEnv) {
    this.#command = command;
    this.#env = env;
  }

  /** Starts the process; resolves with its exit code, as a shell reports it, once it has ended. */
  run(): Promise<number> {
    const [program = '', ...args] = this.#command;
    const child = spawn(program, args, { env: this.#env, stdio: 'inherit' });
    this.#child = child;
    return new Promise((resolve, reject) => {
      child.once('error', (error: NodeJS.ErrnoException) => reject(explainSpawnError(program, error)));
      child.once('exit', (code, signal) => resolve(signal === null ? (code ?? 0) : exitCodeOfSignal(signal)));
    });
  }

  /** Passes a signal on; nothing happens when the process has ended. */
  signal(name: NodeJS.Signals): void {
    this.#child?.kill(name);
  }
}

function explainSpawnError(program: string, error: NodeJS.ErrnoException): CommandError {
  if (error.code === 'ENOENT') {
    return new CommandError(`${program}: command not found`, exitCodes.notFound);
  }
  return new CommandError(`${program}: cannot be executed (${error.code ?? error.message})`, exitCodes.notExecutable);
}

/** Addresses that the application reaches without the mesh. */
const direct = ['localhost', '127.0.0.1'];

export interface ApplicationPorts {
  /** Port the application should listen on; undefined for a pure client. */
  readonly appPort: number | undefined;
  /** Undefined where connections are intercepted: such an application needs to know of no sidecar. */
  readonly outboundPort: number | undefined;
}

/** What tells an application about its sidecar: `HEDDLE_OUTBOUND`, the usual proxy variables in both spellings, `PORT`. */
export function applicationEnv(
  env: Readonly<Record<string, string | undefined>>,
  { appPort, outboundPort }: ApplicationPorts,
): NodeJS.ProcessEnv {
  const own = appPort === undefined ? {} : { PORT: String(appPort) };
  if (outboundPort === undefined) return { ...env, ...own };
  const outbound = `http://127.0.0.1:${outboundPort}`;
  const noProxy = [...(env['NO_PROXY'] ?? '').split(','), ...direct].filter((host) => host !== '').join(',');
  return {
    ...env,
    HEDDLE_OUTBOUND: outbound,
    HTTP_PROXY: outbound,
    http_proxy: outbound,
    NO_PROXY: noProxy,
    no_proxy: noProxy,
    ...own,
  };
}
