/**
 * Shapes of dense row-major tensors: sizes, broadcasting, axes. Rank 0 is a scalar.
 * Nothing here knows of operations; errors are made by the caller, who knows the operation's name.
 */

export type Shape = readonly number[];

/** Number of elements of a shape; 1 for a scalar. */
export function sizeOf(shape: Shape): number {
  return shape.reduce((product, extent) => product * extent, 1);
}

export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((extent, axis) => extent === b[axis]);
}

/** Shape after NumPy broadcasting, or undefined where the shapes do not fit. */
export function broadcastShapes(a: Shape, b: Shape): Shape | undefined {
  const rank = Math.max(a.length, b.length);
  const result: number[] = [];
  for (let axis = 0; axis < rank; axis++) {
    const extentA = a[a.length - rank + axis] ?? 1;
    const extentB = b[b.length - rank + axis] ?? 1;
    if (extentA !== extentB && extentA !== 1 && extentB !== 1) return undefined;
    result.push(extentA === 1 ? extentB : extentA);
  }
  return result;
}

/** Row-major strides in elements. */
export function stridesOf(shape: Shape): number[] {
  const strides = new Array<number>(shape.length);
  let stride = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    strides[axis] = stride;
    stride *= shape[axis];
  }
  return strides;
}

/** `[8,192,32,32]`, for messages. */
export function formatShape(shape: Shape): string {
  return `[${shape.join(',')}]`;
}
