#!/usr/bin/env node
/** The `codec` command as a process: real streams, exit code, signals. Everything else is in program.ts. */
import { type Output, run, type Streams } from './program.js';

/** A reader that goes away (`codec info x | head -1`) is no failure. */
function quietOnClosedPipe(stream: NodeJS.WriteStream): void {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(0);
    throw error;
  });
}

/** The first Ctrl-C goes to the handler, the second ends the process. */
function onInterrupt(handler: () => void): () => void {
  let asked = false;
  const listener = (): void => {
    if (asked) process.exit(130);
    asked = true;
    handler();
  };
  const names = ['SIGINT', 'SIGTERM'] as const;
  for (const name of names) process.on(name, listener);
  return () => {
    for (const name of names) process.off(name, listener);
  };
}

quietOnClosedPipe(process.stdout);
quietOnClosedPipe(process.stderr);
const streams: Streams = {
  stdin: process.stdin,
  stdout: process.stdout as Output,
  stderr: process.stderr as Output,
  onInterrupt,
};
process.exitCode = await run(process.argv.slice(2), streams);
