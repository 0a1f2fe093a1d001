/**
 * Kernels that only move values: copies and pixel (un)shuffles. Channel (dy*block + dx)*channels + c of the deep
 * tensor holds the pixels (h*block + dy, w*block + dx) of channel c, as ONNX SpaceToDepth and DepthToSpace (DCR).
 */

/** Copies `count` floats. */
export function copy(x: usize, y: usize, count: usize): void {
  memory.copy(y, x, count * 4);
}

/** x [channels, height*block, width*block] -> y [block*block*channels, height, width]. */
export function spaceToDepth(
  x: usize,
  y: usize,
  channels: usize,
  height: usize,
  width: usize,
  block: usize,
): void {
  const rowBytes = width * block * 4;
  const step = block * 4;
  for (let dy: usize = 0; dy < block; dy++) {
    for (let dx: usize = 0; dx < block; dx++) {
      for (let c: usize = 0; c < channels; c++) {
        for (let h: usize = 0; h < height; h++) {
          let from = x + ((c * height + h) * block + dy) * rowBytes + dx * 4;
          for (const end = y + width * 4; y < end; y += 4, from += step) store<f32>(y, load<f32>(from));
        }
      }
    }
  }
}

/** Inverse of spaceToDepth: x [block*block*channels, height, width] -> y [channels, height*block, width*block]. */
export function depthToSpace(
  x: usize,
  y: usize,
  channels: usize,
  height: usize,
  width: usize,
  block: usize,
): void {
  const rowBytes = width * block * 4;
  const step = block * 4;
  for (let dy: usize = 0; dy < block; dy++) {
    for (let dx: usize = 0; dx < block; dx++) {
      for (let c: usize = 0; c < channels; c++) {
        for (let h: usize = 0; h < height; h++) {
          let to = y + ((c * height + h) * block + dy) * rowBytes + dx * 4;
          for (const end = x + width * 4; x < end; x += 4, to += step) store<f32>(to, load<f32>(x));
        }
      }
    }
  }
}
