/** A progress line on a terminal: bar, count, own text and the time that is left. Redrawn at most ten times a second. */
import type { Output } from './context.js';
import { count, duration } from './text.js';

const cells = 16;
const leastInterval = 100;

export class Progress {
  #began = performance.now();
  #from: number;
  #moving = false;
  #done: number;
  #note = '';
  #drawn = Number.NEGATIVE_INFINITY;

  /** @param done how much was done before this run. */
  constructor(
    readonly output: Output,
    readonly total: number,
    done = 0,
  ) {
    this.#from = done;
    this.#done = done;
  }

  #width(): number {
    // Some pseudo-terminals say 0.
    return this.output.columns || 80;
  }

  /** The line as it stands now. */
  line(): string {
    const share = Math.min(1, this.#done / this.total);
    const full = Math.floor(share * cells * 8);
    const part = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉'][full % 8];
    const bar = ('█'.repeat(full >> 3) + part).padEnd(cells, '░');
    const speed = (this.#done - this.#from) / (performance.now() - this.#began);
    const elapsed = duration((performance.now() - this.#began) / 1000);
    const rest = speed > 0 ? `${duration((this.total - this.#done) / speed / 1000)} left` : '';
    const left = this.#done < this.total ? rest : `in ${elapsed}`;
    const parts = [`${bar} ${count(this.#done)}/${count(this.total)}`, this.#note, left];
    return parts.filter((text) => text !== '').join('  ');
  }

  update(done: number, note: string): void {
    if (!this.#moving) {
      // What went before the first update was preparation and says nothing about the speed.
      this.#moving = true;
      this.#began = performance.now();
      this.#from = done;
    }
    this.#done = done;
    this.#note = note;
    this.draw();
  }

  draw(now = performance.now()): void {
    if (now - this.#drawn < leastInterval && this.#done < this.total) return;
    this.#drawn = now;
    this.output.write(`\r${this.line().slice(0, this.#width() - 1)}\x1b[K`);
  }

  /** Prints a line above the bar. */
  say(line: string): void {
    this.output.write(`\r\x1b[K${line}\n`);
    if (!this.#moving) return;
    this.#drawn = Number.NEGATIVE_INFINITY;
    this.draw();
  }

  /** Leaves the bar as it is and goes to the next line. */
  end(): void {
    this.output.write(`\r${this.line().slice(0, this.#width() - 1)}\x1b[K\n`);
  }
}
