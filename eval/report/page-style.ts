/**
 * The style sheet of the page. One column that is readable from 320 pixels on; charts come in two sizes, of which the
 * width of the screen chooses; tables scroll in their boxes, so that the page itself never scrolls sideways. Colours are
 * the properties of theme.ts.
 */
import { chartStyles } from './chart.js';
import type { ReportSeries } from './series.js';
import { colorProperties, fontFamily, propertyColor } from './theme.js';

/** Beside it there is a column for the legend. */
export const wideChart = { name: 'wide', width: 860, height: 540, named: false } as const;

/** Has the names in it. */
export const wideNamedChart = { name: 'wide', width: 1104, height: 520, named: true } as const;

/** Fills a phone of 390 pixels. */
export const narrowChart = { name: 'narrow', width: 358, height: 400, named: false } as const;

const rules = `
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0;background:var(--surface);color:var(--ink);font:16px/1.5 ${fontFamily}}
main,header,footer{max-width:1136px;margin:0 auto;padding:0 16px}
header{padding-top:32px}
h1{font-size:clamp(1.5rem,4vw,2.1rem);line-height:1.2;margin:0 0 .3em;letter-spacing:-.01em}
h2{font-size:1.35rem;line-height:1.25;margin:2.6em 0 .5em}
h3{font-size:1.05rem;margin:1.8em 0 .4em}
p{max-width:68ch;margin:.4em 0 .9em}
.muted,figcaption{color:var(--muted)}
a{color:var(--link)}
nav ul{display:flex;flex-wrap:wrap;gap:4px 18px;list-style:none;margin:1em 0 0;padding:0}
nav a{display:inline-block;padding:4px 0}
:focus-visible{outline:2px solid var(--link);outline-offset:2px}
.tiles{display:grid;grid-template-columns:repeat(auto-fill,minmax(158px,1fr));gap:10px;list-style:none;margin:1em 0;padding:0}
.tiles li{background:var(--raised);border-radius:8px;padding:12px 14px;line-height:1.3}
.tiles b{display:block;font-size:1.5rem;font-weight:600;font-variant-numeric:tabular-nums;white-space:nowrap}
.tiles .codec{font-weight:600}
.good{color:var(--good)}.bad{color:var(--bad)}
.alert{background:var(--notice);border-radius:8px;padding:10px 14px;max-width:none}
figure{margin:0}
.chart-figure{margin:1em 0 2em}
.chart-figure>figcaption{font-size:.9rem;margin-top:8px;max-width:90ch}
.chart{display:block;max-width:100%;height:auto;touch-action:pan-y}
.chart.narrow{display:none}
.chart .near{stroke-width:2.5;stroke:var(--ink)!important}
.plot{display:grid;grid-template-columns:minmax(0,860px) minmax(180px,1fr);gap:20px;align-items:start}
.named .plot{grid-template-columns:minmax(0,1fr)}
.legend{border:0;margin:0;padding:0;display:flex;flex-direction:column;font-size:.875rem;min-width:0}
.named .legend{display:none}
.legend legend{padding:3px 0;color:var(--muted)}
.legend label{display:inline-flex;align-items:center;gap:6px;padding:3px 0;cursor:pointer}
.legend input{accent-color:var(--link);margin:0;width:16px;height:16px}
.codec{display:inline-flex;align-items:center;gap:7px}
.swatch{flex:none}
.scroll{overflow-x:auto;margin:.8em 0 1.4em;position:relative}
table{border-collapse:collapse;font-size:.84rem;line-height:1.35;font-variant-numeric:tabular-nums}
caption{text-align:left;color:var(--muted);padding:0 0 6px}
caption span{display:inline-block;position:sticky;left:0;max-width:calc(100vw - 32px)}
th,td{padding:6px 0 6px 14px;text-align:left;vertical-align:middle;white-space:nowrap;border-bottom:1px solid var(--line);font-weight:400}
thead th,thead td{vertical-align:bottom;color:var(--muted);border-bottom-color:var(--axis)}
tbody th,thead th:first-child{position:sticky;left:0;background:var(--surface);z-index:1}
tr.group th{font-weight:600;padding-top:14px}
.number{text-align:right!important}
thead th[scope=colgroup]{border-bottom-color:var(--line)}
.none{color:var(--muted);text-align:right}
td.reason{white-space:normal;color:var(--muted)}
.warning{color:var(--bad)}
.flag{display:block;font-size:.78rem}
.tinted.good{background:color-mix(in srgb,var(--good) var(--tint),transparent);color:var(--ink)}
.tinted.bad{background:color-mix(in srgb,var(--bad) var(--tint),transparent);color:var(--ink)}
th:first-child,td:first-child{padding-left:0}
.tinted{padding-right:8px}
.bar{display:block}
.bar .good{fill:var(--good);fill-opacity:.75}.bar .bad{fill:var(--bad);fill-opacity:.7}
.bar .zero{stroke:var(--axis);fill:none}
.bar .interval{stroke:var(--ink);stroke-width:1.3;fill:none}
details{margin:0}
.folded{display:grid;grid-template-columns:repeat(auto-fill,minmax(210px,1fr));gap:0 20px}
details[open]{grid-column:1/-1;min-width:0}
summary{cursor:pointer;padding:5px 0}
dl{display:grid;grid-template-columns:max-content 1fr;gap:4px 18px;margin:.8em 0;font-size:.925rem}
dt{color:var(--muted)}
.codecs dt{color:var(--ink)}.codecs dd{color:var(--muted)}
dd{margin:0;overflow-wrap:anywhere}
.failures li{margin:.3em 0;overflow-wrap:anywhere}
.choices{display:flex;flex-wrap:wrap;gap:8px 24px;margin:.8em 0 1.2em;font-size:.9rem}
.choices fieldset{border:0;margin:0;padding:0;display:flex;flex-wrap:wrap;gap:6px;min-width:0}
.choices legend{float:left;color:var(--muted);padding:6px 8px 6px 0}
.choices label{position:relative;cursor:pointer}
.choices input{position:absolute;inset:0;opacity:0;margin:0;cursor:pointer}
.choices span{display:block;padding:5px 12px;border:1px solid var(--axis);border-radius:99px}
.choices input:checked+span{background:var(--ink);color:var(--surface);border-color:var(--ink)}
.choices input:focus-visible+span{outline:2px solid var(--link);outline-offset:2px}
.crop{margin:0 0 1.6em;container-type:inline-size}
.crop>figcaption{margin-bottom:8px}
.views{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,300px),1fr));gap:16px;max-width:1104px}
.view img{display:block;width:100%;max-width:var(--natural);height:auto;border-radius:3px}
.view figcaption{font-size:.875rem;line-height:1.35;margin-top:6px}
.view b{display:block;color:var(--ink);font-weight:600}
.crop-controls{display:none;margin:8px 0 0;font-size:.9rem;gap:12px;align-items:center}
.crop-controls input{flex:1;accent-color:var(--link);min-width:0}
button{font:inherit;color:inherit;background:var(--raised);border:1px solid var(--axis);border-radius:6px;padding:5px 14px;cursor:pointer}
.hover{position:fixed;left:0;top:0;z-index:9;pointer-events:none;background:var(--surface);border:1px solid var(--axis);border-radius:6px;padding:7px 10px;font-size:.82rem;line-height:1.4;box-shadow:0 3px 14px #0003;font-variant-numeric:tabular-nums}
.hover[hidden]{display:none}
.hover span{display:block}
footer{color:var(--muted);font-size:.875rem;padding-top:24px;padding-bottom:40px}
@media (max-width:760px){
.chart.wide{display:none}.chart.narrow{display:block;margin:0 auto}
.plot,.named .plot{grid-template-columns:minmax(0,1fr);gap:8px}
.legend,.named .legend{display:flex;flex-flow:row wrap;gap:0 16px}
header{padding-top:20px}
.tiles{grid-template-columns:repeat(2,1fr)}
.tiles b{font-size:1.25rem}
dl{grid-template-columns:1fr;gap:0}dd{margin-bottom:8px}
}
@media (scripting:none){.needs-script{display:none!important}}
@media screen and (scripting:enabled){
.crops:has([value=slide]:checked) .views,.crops:has([value=flip]:checked) .views{display:grid;grid-template-columns:1fr;gap:0;max-width:calc(2*var(--natural));position:relative;touch-action:pan-y;user-select:none}
.crops:has([value=slide]:checked) .view,.crops:has([value=flip]:checked) .view{grid-area:1/1}
.crops:has([value=slide]:checked) .view img,.crops:has([value=flip]:checked) .view img{max-width:none;image-rendering:pixelated;-webkit-user-drag:none}
.crops:has([value=slide]:checked) .view.original{display:none}
.crops:has([value=slide]:checked) .view.ours{z-index:1}
.crops:has([value=slide]:checked) .view.ours img{clip-path:inset(0 calc(100% - var(--cut,50%)) 0 0)}
.crops:has([value=slide]:checked) .view figcaption{max-width:48%}
.crops:has([value=slide]:checked) .view.competitor figcaption{margin-left:auto;text-align:right}
.crops:has([value=slide]:checked) .views{cursor:ew-resize}
.crops:has([value=slide]:checked) .views::after{content:'';position:absolute;z-index:2;top:0;left:calc(var(--cut,50%) - 1px);width:2px;height:calc(var(--ratio)*min(100cqw,2*var(--natural)));background:#fff;box-shadow:0 0 0 1px #0006;pointer-events:none}
.crops:has([value=slide]:checked) .slide{display:flex;max-width:calc(2*var(--natural))}
.crops:has([value=flip]:checked) .view:not(.shown){visibility:hidden}
.crops:has([value=flip]:checked) .views{cursor:pointer}
.crops:has([value=flip]:checked) .flip-control{display:flex}
}
@media print{
body{font-size:11pt}
nav,.choices,.crop-controls,.legend input,.legend legend{display:none!important}
.plot{grid-template-columns:minmax(0,1fr) max-content}
.legend{flex-direction:column!important}
.named .legend{display:none!important}
.chart.wide{display:block!important}.chart.narrow{display:none!important}
.chart-figure,.crop,tr,.tiles li{break-inside:avoid}
h2,h3{break-after:avoid}
.scroll{overflow:visible}
table{font-size:7.5pt}
th,td{padding:2px 6px 2px 0;position:static!important}
.views{grid-template-columns:repeat(3,1fr)}
.bar,.tinted,.swatch,.tiles li{print-color-adjust:exact;-webkit-print-color-adjust:exact}
}
`;

/** The whole style sheet; each series, and each crop of `crops`, can be switched on and off by its form control. */
export function pageStyles(series: readonly ReportSeries[], crops: number): string {
  const hiddenSeries = series.map(
    ({ key }) => `.chart-figure:has([data-series=${key}]:not(:checked)) .chart .${key}{display:none}`,
  );
  const hiddenCrops = Array.from(
    { length: crops },
    (_, i) =>
      `.crops:not(:has([name=crop-picture][value="${i}"]:checked)) .crop[data-crop="${i}"]{display:none}`,
  );
  return [
    colorProperties(),
    rules.trim(),
    chartStyles(series, propertyColor),
    ...hiddenSeries,
    `@media screen{${hiddenCrops.join('')}}`,
  ].join('\n');
}
