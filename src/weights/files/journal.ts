/**
 * What a run has done so far, beside its output: so that an interrupted run goes on where it stopped, with the same bytes.
 *
 * A folder OUTPUT.partial with `plan.json` (what the run is to do), `records.jsonl` (a line for every tensor that is done,
 * and for every file) and `data-N.bin` (the stored bytes of the tensors of file N, back to back). A line is written after
 * its bytes; on resuming, bytes without a line are cut off and a half line is left out. CRC32C tells whether the bytes are
 * still those that were written.
 */

import { type FileHandle, mkdir, open, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { IntegrityError, UsageError } from '../../errors.js';
import { ByteFile } from '../../io/byte-file.js';
import { crc32c } from '../../io/crc32c.js';
import { fileError } from '../../io/files.js';
import type { QuantizationReport } from '../report.js';
import type { QuantizationEntry } from './safetensors-checkpoint.js';

/** Pieces up to so many bytes are written together. */
const gathered = 1 << 18;

/** A tensor as it is stored in the output. */
export interface StoredPart {
  readonly name: string;
  readonly type: string;
  readonly shape: readonly number[];
  readonly bytes: number;
}

/** A tensor that is done. */
export interface TensorRecord {
  /** Its number in the plan. */
  readonly tensor: number;
  readonly part: StoredPart;
  /** Where the part is several tensors of the file: these, in the order of its bytes. */
  readonly tensors?: readonly StoredPart[];
  readonly crc: number;
  /** Absent where the tensor was kept. */
  readonly report?: QuantizationReport;
  readonly quantization?: QuantizationEntry;
}

interface FileRecord {
  readonly file: number;
}

/** JSON has no infinity: a tensor that came back unchanged has an SQNR of null there. */
function fromJson(line: string): TensorRecord | FileRecord {
  return JSON.parse(line, (key, value) =>
    key === 'sqnr' && value === null ? Number.POSITIVE_INFINITY : value,
  );
}

export class Journal {
  readonly #records = new Map<number, TensorRecord>();
  readonly #files = new Set<number>();
  #lines: FileHandle | undefined;
  #data: { readonly file: number; readonly handle: FileHandle } | undefined;

  private constructor(readonly folder: string) {}

  /**
   * Begins a run, or goes on with one.
   *
   * @param plan what the run does; the same text for the same run
   * @throws UsageError where there is an interrupted run and `resume` is not set, or another one
   */
  static async open(folder: string, plan: string, resume: boolean): Promise<Journal> {
    const journal = new Journal(folder);
    try {
      const before = await readFile(join(folder, 'plan.json'), 'utf8').catch(() => undefined);
      if (before !== undefined && !resume) {
        throw new UsageError(
          `${folder}: holds an interrupted run; --resume goes on, removing it starts again`,
        );
      }
      if (before !== undefined && before !== plan) {
        throw new UsageError(`${folder}: holds a run with other options or inputs; removing it starts again`);
      }
      if (before === undefined) {
        await mkdir(folder, { recursive: true });
        await writeFile(join(folder, 'records.jsonl'), '');
        await writeFile(join(folder, 'plan.json'), plan);
      }
      await journal.#load();
      journal.#lines = await open(join(folder, 'records.jsonl'), 'a');
    } catch (error) {
      throw fileError('written', folder, error);
    }
    return journal;
  }

  async #load(): Promise<void> {
    const path = join(this.folder, 'records.jsonl');
    const text = await readFile(path, 'utf8');
    const whole = text.slice(0, text.lastIndexOf('\n') + 1);
    if (whole.length < text.length) await truncate(path, Buffer.byteLength(whole));
    for (const line of whole.split('\n').slice(0, -1)) {
      const record = fromJson(line);
      if ('file' in record) this.#files.add(record.file);
      else this.#records.set(record.tensor, record);
    }
  }

  /** Whether nothing is done yet. */
  get isEmpty(): boolean {
    return this.#records.size === 0;
  }

  record(tensor: number): TensorRecord | undefined {
    return this.#records.get(tensor);
  }

  isFileDone(file: number): boolean {
    return this.#files.has(file);
  }

  #dataPath(file: number): string {
    return join(this.folder, `data-${file}.bin`);
  }

  /** Makes file's data as long as its records say and gets ready to append. */
  async beginFile(file: number, tensors: readonly number[]): Promise<void> {
    const length = tensors.reduce((sum, tensor) => sum + (this.record(tensor)?.part.bytes ?? 0), 0);
    const handle = await open(this.#dataPath(file), 'a');
    this.#data = { file, handle };
    if ((await handle.stat()).size < length) {
      throw new IntegrityError(`${this.#dataPath(file)}: expected ${length} bytes; remove ${this.folder}`);
    }
    await handle.truncate(length);
  }

  /** Appends the bytes of a tensor, then its record. */
  async append(
    record: Omit<TensorRecord, 'crc'>,
    pieces: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  ): Promise<TensorRecord> {
    const { handle } = this.#data!;
    let crc = 0;
    let length = 0;
    try {
      let small: Uint8Array[] = [];
      let held = 0;
      const flush = async (): Promise<void> => {
        if (held > 0) await handle.appendFile(Buffer.concat(small));
        small = [];
        held = 0;
      };
      for await (const piece of pieces) {
        crc = crc32c(piece, crc);
        length += piece.length;
        if (piece.length > gathered) {
          await flush();
          await handle.appendFile(piece);
          continue;
        }
        // A copy: the source may use the piece again.
        small.push(piece.slice());
        held += piece.length;
        if (held > gathered) await flush();
      }
      await flush();
      if (length !== record.part.bytes) {
        throw new IntegrityError(
          `tensor ${record.part.name}: expected ${record.part.bytes} bytes, got ${length}`,
        );
      }
      const whole = { ...record, crc };
      await this.#lines!.appendFile(`${JSON.stringify(whole)}\n`);
      this.#records.set(record.tensor, whole);
      return whole;
    } catch (error) {
      throw fileError('written', this.folder, error);
    }
  }

  /** The bytes of the tensors of a file, one tensor after the other, checked. */
  async *contents(
    file: number,
    tensors: readonly number[],
  ): AsyncGenerator<{ at: number; piece: Uint8Array }> {
    await this.#closeData();
    const data = await ByteFile.open(this.#dataPath(file));
    try {
      let begin = 0;
      for (const tensor of tensors) {
        const { part, crc } = this.record(tensor)!;
        let found = 0;
        for await (const piece of data.pieces(begin, begin + part.bytes)) {
          found = crc32c(piece, found);
          yield { at: tensor, piece };
        }
        if (found !== crc) {
          throw new IntegrityError(
            `${this.#dataPath(file)}: tensor ${part.name} is damaged; remove ${this.folder}`,
          );
        }
        begin += part.bytes;
      }
    } finally {
      await data.close();
    }
  }

  /** Notes that a file is in its place; its data is no longer needed. */
  async endFile(file: number): Promise<void> {
    await this.#lines!.appendFile(`${JSON.stringify({ file })}\n`);
    this.#files.add(file);
    await rm(this.#dataPath(file), { force: true });
  }

  async #closeData(): Promise<void> {
    await this.#data?.handle.close();
    this.#data = undefined;
  }

  /** Leaves the folder as it is. */
  async close(): Promise<void> {
    await this.#closeData();
    await this.#lines?.close();
    this.#lines = undefined;
  }

  /** Removes the folder: the run is done. */
  async remove(): Promise<void> {
    await this.close();
    await rm(this.folder, { recursive: true, force: true });
  }
}
