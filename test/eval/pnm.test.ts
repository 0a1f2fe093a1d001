import { describe, expect, it } from 'vitest';
import { decodePnm, encodePnm } from '../../eval/pnm.js';
import { FormatError } from '../../src/errors.js';
import { type Channels, createImage } from '../../src/io/image.js';

const picture = (channels: Channels) =>
  createImage(
    3,
    2,
    channels,
    Uint8Array.from({ length: 6 * channels }, (_, n) => 7 * n),
  );
const bytes = (text: string): Uint8Array => Uint8Array.from(text, (letter) => letter.charCodeAt(0));

describe('pixmaps', () => {
  it('keep colour, and gray as equal colours', () => {
    const file = encodePnm(picture(3));
    expect(String.fromCharCode(...file.subarray(0, 11))).toBe('P6\n3 2\n255\n');
    expect(decodePnm(file, 'a')).toEqual(picture(3));
    const gray = decodePnm(encodePnm(picture(1)), 'a');
    expect([...gray.data.subarray(0, 9)]).toEqual([0, 0, 0, 7, 7, 7, 14, 14, 14]);
    expect([...decodePnm(encodePnm(picture(4)), 'a').data.subarray(0, 6)]).toEqual([0, 7, 14, 28, 35, 42]);
  });

  it('may be gray and have comments', () => {
    const file = bytes('P5 # made by hand\n2\t1\n# 8 bits\n255 ab');
    expect(decodePnm(file, 'a')).toEqual(createImage(2, 1, 1, bytes('ab')));
    // A sample that looks like a blank.
    expect([...decodePnm(bytes('P5\n1 1\n255\n\n'), 'a').data]).toEqual([10]);
  });

  it.each([
    ['P3\n1 1\n255\n1 2 3', /a\.ppm: expected a P5 or P6 picture of 8 bits/],
    ['P6\n1 1\n65535\n......', /8 bits/],
    ['', /8 bits/],
    ['P6\n2 1\n255\nabcde', /a\.ppm: expected 6 bytes of samples, got 5/],
  ])('refuse %j', (text, reason) => {
    expect(() => decodePnm(bytes(text), 'a.ppm')).toThrow(FormatError);
    expect(() => decodePnm(bytes(text), 'a.ppm')).toThrow(reason);
  });
});
