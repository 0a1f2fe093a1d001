/**
 * Making nodes: what shape errors say, that equal operations are one node, and that simplifications hold what the
 * plain operation means.
 */
import { expect, describe as group, test } from 'vitest';
import { UsageError } from '../../../src/errors.js';
import { evaluate } from '../../../src/graph/evaluate.js';
import { gradients } from '../../../src/graph/gradients.js';
import { ancestors, Graph, type Tensor } from '../../../src/graph/graph.js';
import * as g from '../../../src/graph/operations.js';
import { broadcastShapes } from '../../../src/graph/shape.js';
import { cases } from './cases.js';
import { random, randomValues, weightedSum } from './support.js';

const graph = new Graph();
const x = graph.input('x', [2, 3]);
const y = graph.input('y', [4]);
const image = graph.input('image', [1, 4, 6, 6]);
const w = graph.input('w', [5, 3]);
const kernel = graph.input('kernel', [4, 3, 3]);
const dense = graph.input('dense', [2, 4, 3, 3]);
const strided = { stride: 2, padding: [1, 1, 1, 1] } as const;

group('shape errors name the operation, the tensors and their shapes', () => {
  const wrong: Record<string, [() => Tensor, string]> = {
    add: [() => g.add(x, y), 'add: expected shapes that broadcast, got x [2,3], y [4]'],
    greaterEqual: [
      () => g.greaterEqual(y, x),
      'greaterEqual: expected shapes that broadcast, got y [4], x [2,3]',
    ],
    leakyReluGradient: [
      () => g.leakyReluGradient(x, y, 0.1),
      'leakyReluGradient: expected equal shapes, got x [2,3], y [4]',
    ],
    sum: [() => g.sum(x, [2]), 'sum: expected axes within rank 2, not 2, got x [2,3]'],
    'sum, fraction': [() => g.sum(x, [0.5]), 'sum: expected axes within rank 2, not 0.5, got x [2,3]'],
    reshape: [() => g.reshape(x, [7]), 'reshape: expected a size of [7], got x [2,3]'],
    transpose: [
      () => g.transpose(x, [0, 0]),
      'transpose: expected a permutation of its axes, not 0,0, got x [2,3]',
    ],
    broadcastTo: [
      () => g.broadcastTo(x, [2, 4]),
      'broadcastTo: expected a shape that fits [2,4], got x [2,3]',
    ],
    slice: [
      () => g.slice(x, [1, 0], [2, 3]),
      'slice: expected a tensor that holds [2,3] at [1,0], got x [2,3]',
    ],
    pad: [
      () => g.pad(x, [0, -1], [0, 0]),
      'pad: expected one amount >= 0 per axis, not 0,-1 and 0,0, got x [2,3]',
    ],
    concat: [() => g.concat([x, y], 0), 'concat: expected equal shapes but for axis 0, got x [2,3], y [4]'],
    'concat, axis': [
      () => g.concat([x, x], -1),
      'concat: expected equal shapes but for axis -1, got x [2,3], x [2,3]',
    ],
    spaceToDepth: [
      () => g.spaceToDepth(image, 4),
      'spaceToDepth: expected height and width in multiples of 4, got image [1,4,6,6]',
    ],
    'spaceToDepth, rank': [
      () => g.spaceToDepth(x, 2),
      'spaceToDepth: expected a tensor [N,C,H,W], got x [2,3]',
    ],
    depthToSpace: [
      () => g.depthToSpace(image, 3),
      'depthToSpace: expected channels in multiples of 9, got image [1,4,6,6]',
    ],
    matMul: [() => g.matMul(x, w), 'matMul: expected matrices that fit, got x [2,3], w [5,3]'],
    'matMul, transposed': [
      () => g.matMul(x, w, { transposeA: true, transposeB: true }),
      'matMul: expected matrices that fit, a transposed, b transposed, got x [2,3], w [5,3]',
    ],
    pointwise: [
      () => g.pointwise(image, w),
      'pointwise: expected weights [O,4], got image [1,4,6,6], w [5,3]',
    ],
    depthwise: [
      () => g.depthwise(image, kernel, x),
      'depthwise: expected a bias [4], got image [1,4,6,6], kernel [4,3,3], x [2,3]',
    ],
    depthwiseFilterGradient: [
      () => g.depthwiseFilterGradient(image, image, [2, 3]),
      'depthwiseFilterGradient: expected an odd kernel, not 2,3, got image [1,4,6,6], image [1,4,6,6]',
    ],
    conv: [
      () => g.conv(image, kernel),
      'conv: expected weights [O,4,kh,kw], got image [1,4,6,6], kernel [4,3,3]',
    ],
    'conv, size': [
      () => g.conv(image, dense, undefined, { stride: 0 }),
      'conv: expected stride >= 1, not 0, an input as large as the kernel, got image [1,4,6,6], dense [2,4,3,3]',
    ],
    convInputGradient: [
      () => g.convInputGradient(g.sliceChannels(image, 0, 2), dense, [1, 4, 9, 9], strided),
      'convInputGradient: expected the output of an input [1,4,9,9], got slice',
    ],
    convFilterGradient: [
      () => g.convFilterGradient(image, g.sliceChannels(image, 0, 2), [2, 4, 3, 3], strided),
      'convFilterGradient: expected input and output for weights [2,4,3,3], got image [1,4,6,6], slice',
    ],
    'input, extents': [() => graph.input('z', [0, 2]), 'input z: expected positive whole extents, got [0,2]'],
    'input, again': [() => graph.input('x', [3]), 'input x: expected its first shape [2,3], got [3]'],
    constant: [() => graph.constant([1, 2], [3]), 'constant: expected 3 values for [3], got 2'],
    'another graph': [() => g.add(x, new Graph().input('far', [3])), 'add: far [3] belongs to another graph'],
    numbers: [() => g.mul(2, 2), 'expected at least one tensor among the operands, got numbers only'],
    slope: [() => g.leakyRelu(x, 1), 'leakyRelu: expected 0 < slope < 1, got 1'],
  };
  for (const [name, [make, message]] of Object.entries(wrong)) {
    test(name, () => {
      expect(make).toThrow(UsageError);
      expect(make).toThrow(message);
    });
  }
});

group('equal operations are one node', () => {
  test('the same inputs and attributes', () => {
    expect(g.exp(g.add(x, 1))).toBe(g.exp(g.add(x, 1)));
    expect(graph.input('x', [2, 3])).toBe(x);
    expect(g.sum(x, [-1])).toBe(g.sum(x, [1]));
    expect(g.sum(x, [1, 1])).toBe(g.sum(x, [1]));
    expect(g.conv(image, dense)).toBe(g.conv(image, dense, undefined, { stride: 1 }));
    expect(g.add(1, x)).toBe(g.add(x, 1));
  });

  test('other inputs, attributes or shapes make another node', () => {
    expect(g.leakyRelu(x, 0.1)).not.toBe(g.leakyRelu(x, 0.2));
    expect(g.reshape(x, [6])).not.toBe(g.reshape(x, [3, 2]));
    expect(g.sum(x, [1], true)).not.toBe(g.sum(x, [1]));
    expect(g.sub(x, w.graph.scalar(1))).not.toBe(g.sub(1, x));
  });

  test('nodes come after their inputs', () => {
    for (const node of graph.nodes) for (const input of node.inputs) expect(input.id).toBeLessThan(node.id);
  });
});

group('simplifications', () => {
  test('of neutral elements and scalings', () => {
    expect(g.mul(x, 1)).toBe(x);
    expect(g.add(0, x)).toBe(x);
    expect(g.sub(x, 0)).toBe(x);
    expect(g.div(x, 1)).toBe(x);
    expect(g.neg(g.neg(x))).toBe(x);
    expect(g.sub(0, x)).toBe(g.neg(x));
    expect(g.mul(g.mul(x, 2), 4)).toBe(g.mul(x, 8));
    expect(g.neg(g.mul(x, 2))).toBe(g.mul(x, -2));
    expect(g.sum(g.mul(x, 3))).toBe(g.mul(g.sum(x), 3));
    expect(g.mul(x, x)).toBe(g.square(x));
    expect(g.add(x, g.neg(graph.scalar(2)))).toBe(g.add(x, -2));
  });

  test('of shapes that stay as they are', () => {
    expect(g.reshape(g.reshape(x, [6]), [2, 3])).toBe(x);
    expect(g.transpose(x, [0, 1])).toBe(x);
    expect(g.slice(x, [0, 0], [2, 3])).toBe(x);
    expect(g.pad(x, [0, 0], [0, 0])).toBe(x);
    expect(g.concat([x], 0)).toBe(x);
    expect(g.sum(x, [])).toBe(x);
    expect(g.broadcastTo(g.broadcastTo(y, [2, 4]), [3, 2, 4])).toBe(g.broadcastTo(y, [3, 2, 4]));
  });

  test('scalars fold', () => {
    const two = graph.scalar(2);
    expect(g.maximum(g.add(two, 3), 4).attributes.value).toBe(5);
    expect(g.div(two, 4).attributes.value).toBe(0.5);
    expect(g.greaterEqual(two, 2).attributes.value).toBe(1);
  });

  test('elementwise operations run before explicit broadcasts', () => {
    const row = graph.input('row', [1, 4]);
    const column = graph.input('column', [3, 1]);
    const one = graph.input('one', [1, 1]);
    const wide = (t: Tensor) => g.broadcastTo(t, [3, 4]);
    expect(g.add(wide(row), wide(column))).toBe(g.add(row, column));
    expect(g.add(wide(one), wide(row))).toBe(wide(g.add(one, row)));
    expect(g.mul(wide(one), 2)).toBe(wide(g.mul(one, 2)));
    const values = evaluate({ s: g.sub(wide(one), wide(row)) }, { one: [1], row: [1, 2, 3, 4] });
    expect([...values.s]).toEqual([0, -1, -2, -3, 0, -1, -2, -3, 0, -1, -2, -3]);
  });

  test('every elementwise node has the shape that its operands broadcast to', () => {
    const elementwise = new Set([
      'add',
      'sub',
      'mul',
      'div',
      'max',
      'min',
      'greaterEqual',
      'leakyReluGradient',
    ]);
    for (const { inputs, build } of Object.values(cases).flat()) {
      const own = new Graph();
      const tensors = Object.fromEntries(
        Object.entries(inputs).map(([k, shape]) => [k, own.input(k, shape)]),
      );
      const loss = weightedSum(own, build(tensors), random(1));
      for (const node of ancestors([loss, ...gradients(loss, Object.values(tensors))])) {
        if (!elementwise.has(node.op)) continue;
        expect(broadcastShapes(node.inputs[0].shape, node.inputs[1].shape)).toEqual(node.shape);
      }
    }
  });
});

group('meaning', () => {
  test('spaceToDepth orders channels as ONNX does, depthToSpace is its inverse', () => {
    const small = graph.input('small', [1, 2, 2, 2]);
    const folded = g.spaceToDepth(small, 2);
    const values = evaluate({ folded, back: g.depthToSpace(folded, 2) }, { small: [0, 1, 2, 3, 4, 5, 6, 7] });
    expect([...values.folded]).toEqual([0, 4, 1, 5, 2, 6, 3, 7]);
    expect([...values.back]).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
  });

  test('convolutions are adjoint to their gradients', () => {
    const next = random(9);
    const output = g.conv(image, dense, undefined, strided);
    const dy = graph.input('dy', output.shape);
    const inner = (a: Tensor, b: Tensor) => g.sum(g.mul(a, b));
    const feeds = Object.fromEntries(
      [image, dense, dy].map((input) => [input.name, randomValues(input.shape, next)]),
    );
    const { a, b, c } = evaluate(
      {
        a: inner(output, dy),
        b: inner(image, g.convInputGradient(dy, dense, image.shape, strided)),
        c: inner(dense, g.convFilterGradient(image, dy, dense.shape, strided)),
      },
      feeds,
    );
    expect(b[0]).toBeCloseTo(a[0], 10);
    expect(c[0]).toBeCloseTo(a[0], 10);
  });

  test('mean divides by the number of elements it sums', () => {
    expect([...evaluate({ m: g.mean(x, [1]) }, { x: [1, 2, 3, 4, 5, 6] }).m]).toEqual([2, 5]);
  });
});
