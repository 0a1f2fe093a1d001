/** Float32 that stays finite: numbers next to the largest one may be rounded up on their way through a scheme. */

/** The largest float32. */
export const largestFloat32 = 3.4028234663852886e38;

/** A number cut to what float32 can hold. */
export const cutToFloat32 = (value: number): number =>
  value > largestFloat32 ? largestFloat32 : value < -largestFloat32 ? -largestFloat32 : value;
