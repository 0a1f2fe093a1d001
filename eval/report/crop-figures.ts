/**
 * Crops on the page: three views of the same part, side by side, which the page's style and script can also lay on top
 * of each other (page-style.ts, page-script.ts). Pixels are inside as PNG, which changes none of them.
 */
import { encodePng, type Image } from '../../src/io/index.js';
import type { CodedCrop, CropComparison } from './crops.js';
import { type Child, element, type Markup } from './markup.js';
import { bytesText, numberText, percentText } from './numbers.js';

const dataUri = (image: Image): string =>
  `data:image/png;base64,${Buffer.from(encodePng(image)).toString('base64')}`;

function cropView(kind: string, title: string, image: Image, alternative: string, ...lines: Child[]): Markup {
  const { width, height } = image;
  return element(
    'figure',
    { class: `view ${kind}` },
    element('img', { src: dataUri(image), width, height, alt: alternative }),
    element('figcaption', {}, element('b', {}, title), lines),
  );
}

function codedView(kind: string, coded: CodedCrop, { image, pixels, ours }: CropComparison): Markup {
  const { codec, setting, bytes, psnr } = coded;
  const difference = coded === ours ? '' : ` (${percentText(100 * (bytes / ours.bytes - 1))})`;
  return cropView(
    kind,
    codec,
    coded.pixels,
    `Part of ${image} as ${codec} decodes it`,
    `${bytesText(bytes)}${difference}, ${((8 * bytes) / pixels).toFixed(3)} bpp, `,
    `${numberText(psnr, 2)} dB, setting ${Number(setting.toFixed(2))}`,
  );
}

function cropFigure(crop: CropComparison, position: number): Markup {
  const { image, area, original, ours, competitor } = crop;
  return element(
    'figure',
    {
      class: 'crop',
      'data-crop': position,
      style: `--natural:${area.width}px;--ratio:${area.height / area.width}`,
    },
    element(
      'figcaption',
      {},
      `${image}: ${area.width} \u00d7 ${area.height} pixels from (${area.left}, ${area.top}), where both lose most`,
    ),
    element(
      'div',
      { class: 'views' },
      cropView('original shown', 'original', original, `Part of ${image}, uncompressed`),
      codedView('ours', ours, crop),
      codedView('competitor', competitor, crop),
    ),
    element(
      'div',
      { class: 'crop-controls slide' },
      element('input', {
        type: 'range',
        min: 0,
        max: 100,
        value: '50',
        'aria-label': `How much of ${ours.codec} covers ${competitor.codec}`,
      }),
    ),
    element(
      'div',
      { class: 'crop-controls flip-control' },
      element('button', { type: 'button', class: 'flip' }, 'Next'),
      element('span', { class: 'muted' }, 'original, ours, competitor: in the same place'),
    ),
  );
}

const choice = (name: string, value: string, label: string, checked: boolean): Markup =>
  element('label', {}, element('input', { type: 'radio', name, value, checked }), element('span', {}, label));

/** All crops, with controls that choose one of them and how its views lie. */
export function cropFigures(crops: readonly CropComparison[]): Markup {
  return element(
    'div',
    { class: 'crops' },
    element(
      'div',
      { class: 'choices' },
      element(
        'fieldset',
        {},
        element('legend', {}, 'picture'),
        crops.map(({ image, competitor }, i) =>
          choice(
            'crop-picture',
            String(i),
            `${image.replace(/\.[^.]+$/, '')} / ${competitor.codec}`,
            i === 0,
          ),
        ),
      ),
      element(
        'fieldset',
        { class: 'needs-script' },
        element('legend', {}, 'view'),
        choice('crop-mode', 'side', 'side by side', true),
        choice('crop-mode', 'slide', 'slide', false),
        choice('crop-mode', 'flip', 'flip', false),
      ),
    ),
    crops.map(cropFigure),
  );
}
