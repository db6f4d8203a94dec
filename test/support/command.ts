/** Runs `heddle` commands in this process, with streams of their own. */
import { Readable, Writable } from 'node:stream';
import { runCommandLine } from '../../pilot/cli/command-line.ts';

export interface RunCommand {
  readonly args: readonly string[];
  readonly stdin?: string;
  readonly env?: Readonly<Record<string, string>>;
}

export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export async function runCommand({ args, stdin = '', env = {} }: RunCommand): Promise<Ran> {
  const stdout = new TextSink();
  const stderr = new TextSink();
  const context = { stdin: Readable.from([stdin]), stdout, stderr, env, exitCode: 0 };
  const code = await runCommandLine(args, context);
  return { code, stdout: stdout.text, stderr: stderr.text };
}

class TextSink extends Writable {
  text = '';

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.text += chunk.toString('utf8');
    done();
  }
}
