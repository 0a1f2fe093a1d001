/**
 * Memory planning: addresses for blocks of known lifetimes, found once when a program is compiled.
 * First fit over the free gaps, in order of first use; offsets and sizes in bytes, multiples of 64 (one cache line).
 */

/** A piece of memory that lives from the first to the last step that touches it. */
export interface Block {
  readonly bytes: number;
  /** Byte offset in the arena, set by planBlocks. */
  offset: number;
}

/** What planBlocks needs to know of one step. */
export interface BlockUse {
  /** Blocks that the step reads, writes or uses as scratch. */
  readonly touches: readonly Block[];
  /** The result may take over the place of the operand, if the operand is not needed later. */
  readonly reuse?: { readonly operand: Block; readonly result: Block };
}

const LINE = 64;

/** Rounds a number of bytes up to whole cache lines. */
export const alignLine = (bytes: number): number => Math.ceil(bytes / LINE) * LINE;

interface Gap {
  start: number;
  /** Infinity for the space behind everything. */
  end: number;
}

/** The free gaps of an arena, ascending, never adjacent. */
class Gaps {
  readonly #gaps: Gap[] = [{ start: 0, end: Number.POSITIVE_INFINITY }];

  take(bytes: number): number {
    const index = this.#gaps.findIndex((gap) => gap.end - gap.start >= bytes);
    const gap = this.#gaps[index];
    const start = gap.start;
    gap.start += bytes;
    if (gap.start === gap.end) this.#gaps.splice(index, 1);
    return start;
  }

  release(start: number, bytes: number): void {
    const end = start + bytes;
    const index = this.#gaps.findIndex((gap) => gap.start >= end);
    const before = this.#gaps[index - 1];
    const after = this.#gaps[index];
    if (before?.end === start) {
      before.end = after.start === end ? after.end : end;
      if (after.start === end) this.#gaps.splice(index, 1);
    } else if (after.start === end) {
      after.start = start;
    } else {
      this.#gaps.splice(index, 0, { start, end });
    }
  }
}

/**
 * Sets the offset of every block so that blocks alive at the same step never overlap, and returns the bytes that
 * all of them need together.
 *
 * @example
 * const a = { bytes: 64, offset: 0 };
 * const b = { bytes: 64, offset: 0 };
 * planBlocks([{ touches: [a] }, { touches: [b] }]); // 64: b takes the place of a
 */
export function planBlocks(steps: readonly BlockUse[]): number {
  const last = new Map<Block, number>();
  steps.forEach(({ touches }, step) => {
    for (const block of touches) last.set(block, step);
  });
  const gaps = new Gaps();
  const placed = new Set<Block>();
  const passedOn = new Set<Block>();
  let bytes = 0;
  steps.forEach(({ touches, reuse }, step) => {
    if (reuse && canReuse(reuse.operand, reuse.result, step)) {
      reuse.result.offset = reuse.operand.offset;
      placed.add(reuse.result);
      passedOn.add(reuse.operand);
    }
    for (const block of touches) {
      if (placed.has(block)) continue;
      placed.add(block);
      block.offset = gaps.take(alignLine(block.bytes));
      bytes = Math.max(bytes, block.offset + alignLine(block.bytes));
    }
    for (const block of new Set(touches)) {
      if (last.get(block) === step && !passedOn.has(block)) {
        gaps.release(block.offset, alignLine(block.bytes));
      }
    }
  });
  return bytes;

  function canReuse(operand: Block, result: Block, step: number): boolean {
    return (
      last.get(operand) === step &&
      placed.has(operand) &&
      !placed.has(result) &&
      operand.bytes === result.bytes
    );
  }
}
