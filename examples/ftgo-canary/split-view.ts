/** The split in the terminal: redrawn in place on a terminal, one line per finished step elsewhere. */
import { clearScreenDown, cursorTo, moveCursor } from 'node:readline';
import { percent, type Split, type Step } from './release.ts';
import type { Window } from './traffic.ts';

const barWidth = 40;

export class SplitView {
  readonly #out: NodeJS.WriteStream;
  #drawnLines = 0;
  #isEnded = false;

  constructor(out: NodeJS.WriteStream) {
    this.#out = out;
  }

  /** Writes lines that stay. */
  print(text: string): void {
    if (this.#isEnded) return;
    this.#erase();
    this.#out.write(`${text}\n`);
  }

  /** Shows how a step goes; nothing where lines cannot be redrawn. */
  draw(title: string, window: Window): void {
    if (this.#isEnded || !this.#out.isTTY) return;
    this.#erase();
    const text = `${[title, ...describeWindow(window)].join('\n')}\n`;
    this.#out.write(text);
    this.#drawnLines = text.split('\n').length - 1;
  }

  /** The result of a step, which stays. */
  finish(title: string, window: Window, faults: readonly string[]): void {
    const verdict = faults.length === 0 ? ['  as expected'] : faults.map((fault) => `  NOT as expected: ${fault}`);
    this.print([title, ...describeWindow(window), ...verdict].join('\n'));
  }

  /** Writes the last lines. */
  end(text: string): void {
    this.print(text);
    this.#isEnded = true;
  }

  #erase(): void {
    if (this.#drawnLines === 0) return;
    moveCursor(this.#out, 0, -this.#drawnLines);
    cursorTo(this.#out, 0);
    clearScreenDown(this.#out);
    this.#drawnLines = 0;
  }
}

export function stepTitle(step: Step, number: number, count: number): string {
  return `\nStep ${number} of ${count}: ${step.title}   (heddle apply -f ${step.file})`;
}

function describeWindow({ users, testUsers }: Window): string[] {
  return [`  users       ${describeSplit(users)}`, `  test users  ${describeSplit(testUsers)}`];
}

/** `v1 ██████████░░ v2   95.1 % | 4.9 %   1912 requests, 0 failed` */
function describeSplit({ v1, v2, failed }: Split): string {
  const total = v1 + v2;
  const share = total === 0 ? 0 : v2 / total;
  const filled = Math.round((1 - share) * barWidth);
  const bar = total === 0 ? ' '.repeat(barWidth) : '█'.repeat(filled) + '░'.repeat(barWidth - filled);
  const shares = total === 0 ? '' : `${percent(1 - share).padStart(7)} | ${percent(share).padEnd(9)}`;
  return `v1 ${bar} v2 ${shares}${total} requests, ${failed} failed`;
}
