/**
 * PyTorch as an engine of training: a Python process (torch/run.py) that holds weights and optimizer state and answers
 * requests over its standard streams. A frame is two little-endian uint32 lengths, a JSON header and bytes. Python and
 * torch are optional: where they are missing, starting throws UnsupportedError. The process ends when its stdin closes,
 * so none outlives this one.
 */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { UnsupportedError } from '../errors.js';
import { packageRoot } from '../io/files.js';

/** Arithmetic between the convolutions; weights and optimizer are float32 in any case. */
export type TorchPrecision = 'float32' | 'bf16';

/**
 * Every step allocates the same tensors again. glibc gives memory of their size back to the system whenever it is freed,
 * unless told otherwise, and pages that come anew made a step 2 to 4 % longer.
 */
const keptMemory = {
  MALLOC_MMAP_THRESHOLD_: '4294967296',
  MALLOC_TRIM_THRESHOLD_: '4294967296',
  MALLOC_TOP_PAD_: '67108864',
};

export interface TorchOptions {
  /** `cpu`, `cuda`, `cuda:1`...; where undefined, CUDA if torch finds it. */
  readonly device?: string;
  readonly precision?: TorchPrecision;
  /** Threads of the CPU; 0 (default) leaves the choice to torch. */
  readonly threads?: number;
  /** Whether torch compiles the step: faster steps for a first one of a minute or several, and a C++ compiler has to be there. */
  readonly compile?: boolean;
  /** The interpreter; `python3` by default. */
  readonly python?: string;
}

export type FrameHeader = Readonly<Record<string, unknown>>;

interface Waiting {
  readonly resolve: (answer: FrameHeader) => void;
  readonly reject: (error: Error) => void;
}

const programFolder = (): string => join(packageRoot(), 'src/engines/torch');

/** Path of the Python program. */
export const torchProgram = (): string => join(programFolder(), 'run.py');

/** Paths of all its files: run.py reads the others from its own folder. */
export const torchFiles = (): string[] =>
  ['run', 'files', 'operations', 'optimizer', 'processes', 'program', 'sampling'].map((name) =>
    join(programFolder(), `${name}.py`),
  );

function frame(header: FrameHeader, payload: readonly Uint8Array[]): Buffer[] {
  const text = Buffer.from(JSON.stringify(header));
  const lengths = Buffer.alloc(8);
  lengths.writeUInt32LE(text.length, 0);
  lengths.writeUInt32LE(
    payload.reduce((total, part) => total + part.length, 0),
    4,
  );
  return [lengths, text, ...payload.map((part) => Buffer.from(part.buffer, part.byteOffset, part.length))];
}

/**
 * A running Python process.
 *
 * @example
 * const process = await TorchProcess.start(folder, { precision: 'bf16' });
 * const metrics = await process.ask({ do: 'step', rate: 1e-4, decay: 0.999, step: 1 }, inputs);
 * await process.end();
 */
export class TorchProcess {
  readonly #child: ChildProcessByStdio<Writable, Readable, Readable>;
  readonly #ended: Promise<void>;
  readonly #waiting: Waiting[] = [];
  #received: Buffer = Buffer.alloc(0);
  #lastLine = '';
  #failure: Error | undefined;

  private constructor(folder: string, options: TorchOptions) {
    const flags = ['--serve', '--precision', options.precision ?? 'float32'];
    if (options.device) flags.push('--device', options.device);
    if (options.compile) flags.push('--compile');
    if (options.threads) flags.push('--threads', String(options.threads));
    const python = options.python ?? 'python3';
    const env = { ...keptMemory, ...process.env };
    this.#child = spawn(python, [torchProgram(), folder, ...flags], { stdio: ['pipe', 'pipe', 'pipe'], env });
    this.#child.stdout.on('data', (bytes: Buffer) => this.#receive(bytes));
    this.#child.stderr.on('data', (bytes: Buffer) => {
      this.#lastLine = bytes.toString().trim().split('\n').at(-1) || this.#lastLine;
    });
    // Writing to a process that died fails here; what matters is reported when it closes.
    this.#child.stdin.on('error', () => {});
    this.#ended = new Promise((resolve) => {
      this.#child.on('error', (error) => {
        this.#fail(`expected to start ${python}, got: ${error.message}`);
        resolve();
      });
      this.#child.on('close', (code, signal) => {
        this.#fail(
          `expected Python to keep running, it ended with ${signal ?? `code ${code}`}: ${this.#lastLine || 'no message'}`,
        );
        resolve();
      });
    });
  }

  /**
   * Starts Python on a run folder (training/run-folder.ts) and waits until the graph is loaded.
   *
   * @throws UnsupportedError with Python's last line where Python, torch or the device is missing.
   */
  static async start(folder: string, options: TorchOptions = {}): Promise<TorchProcess> {
    const process = new TorchProcess(folder, options);
    await process.#answer();
    return process;
  }

  /** Sends a request and waits for its answer; requests are answered in order. */
  ask(header: FrameHeader, payload: readonly Uint8Array[] = []): Promise<FrameHeader> {
    const answer = this.#answer();
    for (const part of frame(header, payload)) this.#child.stdin.write(part);
    return answer;
  }

  /** Closes the process; requests under way are finished first. */
  async end(): Promise<void> {
    this.#child.stdin.end();
    await this.#ended;
  }

  #answer(): Promise<FrameHeader> {
    return new Promise((resolve, reject) => {
      if (this.#failure) reject(this.#failure);
      else this.#waiting.push({ resolve, reject });
    });
  }

  #fail(reason: string): void {
    this.#failure ??= new UnsupportedError(
      `torch: ${reason} (this engine needs Python 3.9 or newer with torch and numpy)`,
    );
    for (const { reject } of this.#waiting.splice(0)) reject(this.#failure);
  }

  #receive(bytes: Buffer): void {
    this.#received = this.#received.length ? Buffer.concat([this.#received, bytes]) : bytes;
    while (this.#received.length >= 8) {
      const end = 8 + this.#received.readUInt32LE(0) + this.#received.readUInt32LE(4);
      if (this.#received.length < end) return;
      const header = this.#received.subarray(8, 8 + this.#received.readUInt32LE(0)).toString();
      this.#received = this.#received.subarray(end);
      this.#waiting.shift()?.resolve(JSON.parse(header) as FrameHeader);
    }
  }
}
