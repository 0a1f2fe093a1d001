#!/usr/bin/env node
/** The `codec` command as a process: real streams, exit code, signals. Everything else is in program.ts. */
import { fstatSync, writeSync } from 'node:fs';
import { isatty } from 'node:tty';
import { fileError } from '../../src/io/index.js';
import { type Output, run, type Streams } from './program.js';

/**
 * A reader that goes away (`codec info x | head -1`, `codec train | less`) is no failure, and the work goes on: what it was to
 * leave in files counts, not who looks on. Whoever writes a picture or a document is told by his own write.
 */
function quietOnClosedPipe(stream: NodeJS.WriteStream): void {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
  });
}

/**
 * Standard output that is a file or a device: all of the bytes, or an error. Node's own stream takes a write that a full disk cut
 * short for a whole one.
 */
function fileOutput(descriptor: number): Output {
  return {
    write(data, done) {
      const bytes = typeof data === 'string' ? Buffer.from(data) : data;
      try {
        for (let written = 0; written < bytes.length; ) {
          written += writeSync(descriptor, bytes, written);
        }
      } catch (error) {
        const failure = fileError('written', 'standard output', error);
        if (!done) throw failure;
        done(failure);
        return;
      }
      done?.();
    },
  };
}

const isFile = (descriptor: number): boolean => {
  const status = fstatSync(descriptor);
  return status.isFile() || (status.isCharacterDevice() && !isatty(descriptor));
};

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
  stdout: isFile(1) ? fileOutput(1) : (process.stdout as Output),
  stderr: process.stderr as Output,
  onInterrupt,
};
process.exitCode = await run(process.argv.slice(2), streams);
