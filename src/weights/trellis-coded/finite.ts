/** Float32 that stays finite: numbers next to the largest one may be rounded up on their way through a scheme. */

/** The largest float32. */
export const largestFloat32 = (2 - 2 ** -23) * 2 ** 127;

/** A number cut to what float32 can hold. */
export const cutToFloat32 = (value: number): number =>
  value > largestFloat32 ? largestFloat32 : value < -largestFloat32 ? -largestFloat32 : value;
