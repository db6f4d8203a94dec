/** Runs one plan, given as JSON in the first argument, on the core that it was pinned to; prints the result as JSON. */
import { type OpenLoopPlan, runOpenLoop } from '../open-loop/generator.ts';

try {
  console.log(JSON.stringify(await runOpenLoop(JSON.parse(process.argv[2] ?? '') as OpenLoopPlan)));
} catch (error) {
  console.error(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
}
