/**
 * `codec weights ...` in a process of its own, for large.test.ts, with the compiled code:
 *
 *     node quantize-child.mjs weights quantize ...
 *
 * What the command says goes to standard error; at its end a line of JSON with the peak of resident memory in bytes.
 */
import { run } from '../../../../dist/codec/cli/program.js';

const code = await run(process.argv.slice(2), {
  stdin: process.stdin,
  stdout: process.stderr,
  stderr: process.stderr,
});
process.stdout.write(`${JSON.stringify({ code, peak: process.resourceUsage().maxRSS * 1024 })}\n`);
