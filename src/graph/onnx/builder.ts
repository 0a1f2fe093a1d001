/**
 * Collects ONNX nodes and initialisers under fresh names. Equal calls give the same name (common subexpressions of
 * the lowering itself, such as a weight reshaped twice, are emitted once).
 */
import type { Shape } from '../shape.js';
import type { OnnxAttribute, OnnxInitializer, OnnxNode } from './protobuf.js';

export type Attributes = Record<string, OnnxAttribute>;

export class OnnxBuilder {
  readonly nodes: OnnxNode[] = [];
  readonly initializers: OnnxInitializer[] = [];
  readonly #known = new Map<string, string>();

  /** Emits one operator with one output and returns the output's name. */
  emit(op: string, inputs: readonly string[], attributes: Attributes = {}, domain = ''): string {
    const key = `${domain}.${op}|${inputs.join(',')}|${JSON.stringify(attributes)}`;
    const known = this.#known.get(key);
    if (known) return known;
    const name = `${op}_${this.nodes.length}`;
    this.nodes.push({ op, inputs, outputs: [name], attributes, domain });
    this.#known.set(key, name);
    return name;
  }

  /** A float32 tensor stored in the model. */
  constant(data: Float32Array, dims: Shape): string {
    const name = `constant_${this.initializers.length}`;
    this.initializers.push({ name, dims, data });
    return name;
  }

  /** A rank-0 float32. */
  scalar(value: number): string {
    return this.#once(`scalar ${value}`, () => this.constant(Float32Array.of(value), []));
  }

  /** A list of whole numbers, as shape-like operands want them. */
  integers(...values: number[]): string {
    return this.#once(`integers ${values.join(',')}`, () => {
      const name = `integers_${this.initializers.length}`;
      this.initializers.push({ name, dims: [values.length], data: BigInt64Array.from(values.map(BigInt)) });
      return name;
    });
  }

  reshape(x: string, shape: Shape): string {
    return this.emit('Reshape', [x, this.integers(...shape)]);
  }

  transpose(x: string, permutation: readonly number[]): string {
    return this.emit('Transpose', [x], { perm: permutation });
  }

  /** x[begin:end] along one axis; `step` -1 with begin -1 and a far negative end reverses the axis. */
  slice(
    x: string,
    axes: readonly number[],
    begin: readonly number[],
    end: readonly number[],
    steps?: readonly number[],
  ): string {
    const operands = [x, this.integers(...begin), this.integers(...end), this.integers(...axes)];
    return this.emit('Slice', steps ? [...operands, this.integers(...steps)] : operands);
  }

  /** Zero padding of an [N,C,H,W] tensor by [top, left, bottom, right]. */
  padImage(x: string, [top, left, bottom, right]: readonly number[]): string {
    if (!(top || left || bottom || right)) return x;
    return this.emit('Pad', [x, this.integers(0, 0, top, left, 0, 0, bottom, right)]);
  }

  sum(x: string, axes: readonly number[], keepDims = false): string {
    return this.emit('ReduceSum', [x, this.integers(...axes)], { keepdims: keepDims ? 1 : 0 });
  }

  #once(key: string, make: () => string): string {
    let name = this.#known.get(key);
    if (!name) {
      name = make();
      this.#known.set(key, name);
    }
    return name;
  }
}
