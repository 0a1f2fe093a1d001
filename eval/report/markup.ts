/**
 * HTML and SVG as text, built from elements.
 *
 * Invariant: a string that is handed in as a child or an attribute is always escaped; only what `element` returns is
 * markup. Names of pictures and messages of errors can therefore not become part of the page's structure.
 */

/** Text that is markup already. */
export class Markup {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

/** What an element may contain; absent parts are left out. */
export type Child = Markup | string | number | undefined | readonly Child[];

/** Values of attributes; `true` writes the bare name, `false` and undefined nothing, numbers at most two decimals. */
export type Attributes = Readonly<Record<string, string | number | boolean | undefined>>;

/** HTML elements that have no end tag. SVG elements without children are closed by an end tag, which both syntaxes allow. */
const voidElements = new Set(['br', 'col', 'img', 'input', 'link', 'meta']);

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
};

const escaped = (text: string): string => text.replace(/[&<>"]/g, (character) => entities[character]);

/** A coordinate as text: two decimals are a fiftieth of a screen's pixel. */
export function coordinate(value: number): string {
  return String(Math.round(value * 100) / 100);
}

function markupOf(child: Child): string {
  if (child === undefined) return '';
  if (child instanceof Markup) return child.text;
  if (typeof child === 'object') return child.map(markupOf).join('');
  return escaped(String(child));
}

/**
 * An element with its attributes and children.
 *
 * @example
 * element('td', { class: 'number', title: undefined }, '< 5 dB').text; // => "<td class=\"number\">&lt; 5 dB</td>"
 */
export function element(name: string, attributes: Attributes = {}, ...children: Child[]): Markup {
  const written = Object.entries(attributes).map(([key, value]) => {
    if (value === undefined || value === false) return '';
    if (value === true) return ` ${key}`;
    return ` ${key}="${escaped(typeof value === 'number' ? coordinate(value) : value)}"`;
  });
  const start = `<${name}${written.join('')}>`;
  return new Markup(voidElements.has(name) ? start : `${start}${markupOf(children)}</${name}>`);
}

/**
 * Several children as one, without an element around them.
 *
 * @example
 * fragment('a', element('br'), 'b').text; // => "a<br>b"
 */
export function fragment(...children: Child[]): Markup {
  return new Markup(markupOf(children));
}
