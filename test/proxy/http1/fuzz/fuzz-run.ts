/** What every run of a fuzzer is told and tells. */

export interface FuzzPlan {
  readonly inputs: number;
  /** The same seed gives the same inputs. */
  readonly seed: number;
  /** The first input that is tried; default 0. Those before it are made, but not sent. */
  readonly from?: number;
  /** Called after every input. */
  readonly onInput?: (done: number) => void;
}

export interface FuzzResult {
  /** Messages that went through: were nearly everything refused, agreement would say nothing. */
  readonly forwarded: number;
  /** Disagreements, each with its input. The run ends after a few. */
  readonly findings: readonly string[];
}

const maxFindings = 20;

/** What one input showed. */
export interface Verdict {
  readonly forwarded: number;
  /** Undefined when all readers agree. */
  readonly finding: string | undefined;
}

/** What is sent, and the pieces in which it is sent. */
export interface FuzzInput {
  readonly text: string;
  readonly pieces: readonly string[];
}

/** Tries one input after the other. What throws is a finding too, and the last: whatever hung, hangs still. */
export async function runInputs(
  { inputs, seed, from = 0, onInput }: FuzzPlan,
  next: () => FuzzInput,
  judge: (input: FuzzInput) => Promise<Verdict>,
): Promise<FuzzResult> {
  const findings: string[] = [];
  let forwarded = 0;
  for (let i = 0; i < inputs && findings.length < maxFindings; i++) {
    const input = next();
    if (i < from) continue;
    const where = `input ${i} of seed ${seed}, ${JSON.stringify(input.text)}`;
    try {
      const verdict = await judge(input);
      forwarded += verdict.forwarded;
      if (verdict.finding !== undefined) findings.push(`${verdict.finding}: ${where}`);
    } catch (error) {
      findings.push(`${error instanceof Error ? error.message : String(error)}: ${where}`);
      break;
    }
    onInput?.(i + 1);
  }
  return { forwarded, findings };
}
