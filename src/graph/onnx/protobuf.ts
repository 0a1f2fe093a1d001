/**
 * Writes the few protobuf messages of an ONNX model (onnx.proto3, IR version 8). Field numbers are those of
 * ModelProto, GraphProto, NodeProto, AttributeProto, TensorProto and ValueInfoProto; nothing is read back here.
 */

/** One operator call. Attribute values: whole number, {float}, string or list of whole numbers. */
export interface OnnxNode {
  readonly op: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: Readonly<Record<string, OnnxAttribute>>;
  /** Operator set; '' is the standard one. */
  readonly domain: string;
}

export type OnnxAttribute = number | string | readonly number[] | { readonly float: number };

/** Data type numbers of TensorProto. */
export const onnxType = { float32: 1, int64: 7 } as const;

export interface OnnxInitializer {
  readonly name: string;
  readonly dims: readonly number[];
  readonly data: Float32Array | BigInt64Array;
}

/** A model input or output: float32; a string stands for an extent known only at run time. */
export interface OnnxValue {
  readonly name: string;
  readonly dims: readonly (number | string)[];
}

const text = new TextEncoder();

/** Collects bytes; nested messages are written to their own writer first, because their length comes first. */
class Writer {
  #bytes = new Uint8Array(256);
  #length = 0;

  bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  raw(data: Uint8Array): this {
    if (this.#length + data.length > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(2 * this.#bytes.length, this.#length + data.length));
      grown.set(this.bytes());
      this.#bytes = grown;
    }
    this.#bytes.set(data, this.#length);
    this.#length += data.length;
    return this;
  }

  varint(value: number): this {
    // Negative int64 attributes need ten bytes of two's complement; BigInt keeps that exact.
    let rest = BigInt.asUintN(64, BigInt(value));
    const out: number[] = [];
    while (rest > 127n) {
      out.push(Number(rest & 127n) | 128);
      rest >>= 7n;
    }
    out.push(Number(rest));
    return this.raw(Uint8Array.from(out));
  }

  int(field: number, value: number): this {
    return this.varint(field << 3).varint(value);
  }

  float(field: number, value: number): this {
    return this.varint((field << 3) | 5).raw(new Uint8Array(Float32Array.of(value).buffer));
  }

  message(field: number, data: Uint8Array): this {
    return this.varint((field << 3) | 2)
      .varint(data.length)
      .raw(data);
  }

  string(field: number, value: string): this {
    return this.message(field, text.encode(value));
  }
}

function attributeBytes(name: string, value: OnnxAttribute): Uint8Array {
  const writer = new Writer().string(1, name);
  if (typeof value === 'number') writer.int(3, value).int(20, 2);
  else if (typeof value === 'string') writer.string(4, value).int(20, 3);
  else if ('float' in value) writer.float(2, value.float).int(20, 1);
  else {
    for (const item of value) writer.int(8, item);
    writer.int(20, 7);
  }
  return writer.bytes();
}

function nodeBytes(node: OnnxNode): Uint8Array {
  const writer = new Writer();
  for (const input of node.inputs) writer.string(1, input);
  for (const output of node.outputs) writer.string(2, output);
  writer.string(3, node.outputs[0]).string(4, node.op);
  for (const [name, value] of Object.entries(node.attributes)) writer.message(5, attributeBytes(name, value));
  if (node.domain) writer.string(7, node.domain);
  return writer.bytes();
}

function initializerBytes({ name, dims, data }: OnnxInitializer): Uint8Array {
  const writer = new Writer();
  for (const extent of dims) writer.int(1, extent);
  writer.int(2, data instanceof Float32Array ? onnxType.float32 : onnxType.int64).string(8, name);
  return writer.message(9, new Uint8Array(data.buffer, data.byteOffset, data.byteLength)).bytes();
}

function valueBytes({ name, dims }: OnnxValue): Uint8Array {
  const shape = new Writer();
  for (const extent of dims) {
    const dimension = new Writer();
    if (typeof extent === 'number') dimension.int(1, extent);
    else dimension.string(2, extent);
    shape.message(1, dimension.bytes());
  }
  const tensorType = new Writer().int(1, onnxType.float32).message(2, shape.bytes());
  return new Writer().string(1, name).message(2, new Writer().message(1, tensorType.bytes()).bytes()).bytes();
}

export interface OnnxModel {
  readonly nodes: readonly OnnxNode[];
  readonly initializers: readonly OnnxInitializer[];
  readonly inputs: readonly OnnxValue[];
  readonly outputs: readonly OnnxValue[];
}

/** Serialises a model: operator set 17 of the standard domain, version 1 of every other domain in use. */
export function onnxBytes(model: OnnxModel): Uint8Array {
  const graph = new Writer();
  for (const node of model.nodes) graph.message(1, nodeBytes(node));
  graph.string(2, 'graph');
  for (const initializer of model.initializers) graph.message(5, initializerBytes(initializer));
  for (const input of model.inputs) graph.message(11, valueBytes(input));
  for (const output of model.outputs) graph.message(12, valueBytes(output));
  const writer = new Writer().int(1, 8).message(7, graph.bytes());
  const domains = new Set(['', ...model.nodes.map((node) => node.domain)]);
  for (const domain of domains) {
    writer.message(
      8,
      new Writer()
        .string(1, domain)
        .int(2, domain === '' ? 17 : 1)
        .bytes(),
    );
  }
  return writer.bytes();
}
