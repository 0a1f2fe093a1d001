/**
 * The script of the page: values beside the pointer, and crops that slide or flip. The page is complete without it; it
 * only replaces the browser's slow titles by a box of its own, and moves crops on top of each other.
 *
 * `enliven` is written into the page as text (`Function.prototype.toString`), so it must not refer to anything outside
 * of itself and what browsers have.
 */

/**
 * Gives a page its interaction; does nothing where the page has no charts and crops.
 *
 * @param page the report's document
 */
export function enliven(page: Document): void {
  const reach = 36;
  const box = page.createElement('div');
  box.className = 'hover';
  box.setAttribute('role', 'status');
  box.hidden = true;
  page.body.append(box);

  for (const chart of page.querySelectorAll<SVGSVGElement>('svg.chart')) {
    const marks = Array.from(chart.querySelectorAll<SVGGraphicsElement>('.mark')).flatMap((mark) => {
      const title = mark.querySelector('title');
      const lines = title?.textContent ?? '';
      title?.remove();
      return lines === '' ? [] : [{ mark, lines }];
    });
    const leave = (): void => {
      box.hidden = true;
      for (const { mark } of marks) mark.classList.remove('near');
    };
    const point = (event: PointerEvent): void => {
      leave();
      let nearest: { mark: SVGGraphicsElement; lines: string; x: number; y: number } | undefined;
      let least = reach;
      for (const { mark, lines } of marks) {
        const { left, top, width, height } = mark.getBoundingClientRect();
        // Curves that the reader has switched off have no size.
        if (width === 0) continue;
        const [x, y] = [left + width / 2, top + height / 2];
        const distance = Math.hypot(x - event.clientX, y - event.clientY);
        if (distance < least) [nearest, least] = [{ mark, lines, x, y }, distance];
      }
      if (!nearest) return;
      nearest.mark.classList.add('near');
      const [name, ...values] = nearest.lines.split('\n');
      const strong = page.createElement('b');
      strong.textContent = name;
      box.replaceChildren(
        strong,
        ...values.map((line) => Object.assign(page.createElement('span'), { textContent: line })),
      );
      box.hidden = false;
      const view = page.documentElement;
      const toLeft = nearest.x + 14 + box.offsetWidth > view.clientWidth;
      const x = toLeft ? Math.max(4, nearest.x - 14 - box.offsetWidth) : nearest.x + 14;
      const y = Math.max(4, Math.min(nearest.y - 12, view.clientHeight - box.offsetHeight - 4));
      box.style.transform = `translate(${x}px, ${y}px)`;
    };
    chart.addEventListener('pointermove', point);
    chart.addEventListener('pointerdown', point);
    chart.addEventListener('pointerleave', leave);
  }
  page.addEventListener('scroll', () => {
    box.hidden = true;
  });

  for (const crop of page.querySelectorAll<HTMLElement>('.crop')) {
    const stage = crop.querySelector<HTMLElement>('.views')!;
    const views = Array.from(stage.querySelectorAll<HTMLElement>('.view'));
    const slider = crop.querySelector<HTMLInputElement>('input[type=range]')!;
    const cut = (percent: number): void => {
      slider.value = String(percent);
      stage.style.setProperty('--cut', `${percent}%`);
    };
    let shown = 0;
    const flip = (): void => {
      shown = (shown + 1) % views.length;
      for (const [i, view] of views.entries()) view.classList.toggle('shown', i === shown);
    };
    const isMode = (mode: string): boolean =>
      page.querySelector<HTMLInputElement>('input[name=crop-mode]:checked')?.value === mode;
    const drag = ({ clientX, buttons, pointerType }: PointerEvent): void => {
      if (!isMode('slide') || (buttons === 0 && pointerType !== 'mouse')) return;
      const { left, width } = stage.getBoundingClientRect();
      cut(Math.round(Math.max(0, Math.min(100, (100 * (clientX - left)) / width))));
    };
    slider.addEventListener('input', () => cut(Number(slider.value)));
    stage.addEventListener('pointermove', drag);
    stage.addEventListener('pointerdown', drag);
    stage.addEventListener('click', () => {
      if (isMode('flip')) flip();
    });
    crop.querySelector('.flip')!.addEventListener('click', flip);
  }
}
