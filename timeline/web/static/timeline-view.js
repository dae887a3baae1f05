// <timeline-view>: a chronicle as lanes and a list. What it takes and tells: /docs/widget.
// Lists and details are copies of the service's own pages: one wording, in one place.
// The words by key, in English where that is not the key itself. French comes with the second module.
const read = text => Object.fromEntries(text.split('\n').map(l => l.split('|')));
const WORDS = read(`title|Timeline
tools|View
earlier|Earlier
later|Later
in|Zoom in
out|Zoom out
fit|All dates
lanes|Lanes
actor|by actor
topic|by topic
place|by place
kind|by kind
none|one lane
chart|Chart
list|List only
start|Window start
end|Window end
span|Events from {a} to {b}, most around {c}
count|{k} of {n} events, {w}
undated|{n} undated
known|{n} known today
position|position {n}
clocks|Dates and clocks
core|certain core, unsure ends
sources|sources: {n}
many|{n} events, {w}: {t}
details|Details
close|Close
events|Events
other|Others
more|and {n} more lanes
empty|No event meets this.
failed|It could not be loaded: {w}
again|Try again
moved|Out of view; this is the nearest.`);
let french;
const more = () => import('/assets/timeline-view-more.js');

const SHEET = new CSSStyleSheet();
SHEET.replaceSync(`:host{display:block;--p:var(--paper,light-dark(#fbfaf6,#15171a));--r:var(--raised,light-dark(#fff,#1c1f23));
--i:var(--ink,light-dark(#1c1b19,#e9e6df));--s:var(--soft,light-dark(#56534d,#aca89f));--l:var(--line,light-dark(#d9d5cb,#363a40));
--f:var(--field,light-dark(#858074,#7f858d));--a:var(--accent,light-dark(#14507a,#8fc1e6));--t:var(--tint,light-dark(#eaf0f3,#1d2a35));
--w:var(--warn,light-dark(#8f2b1d,#f2a392));--u:var(--turn,light-dark(#7a4a00,#e9bf77));--se:var(--serif,Georgia,serif);--sa:var(--sans,system-ui,sans-serif);
background:var(--p);color:var(--i);font:1rem/1.5 var(--sa);overflow-wrap:anywhere}
[hidden]{display:none!important}
*,::before{box-sizing:border-box}
:focus-visible{outline:3px solid var(--a);outline-offset:2px}
h1,h2,h3,h4,h5,h6,p,ul,ol,dl,dd{margin:0;padding:0;list-style:none}
h1,h2,h3,h4,h5,h6{font:600 1.2rem/1.25 var(--se);text-wrap:balance}
a{color:var(--a)}
.hide{position:absolute;inline-size:1px;block-size:1px;overflow:hidden}
.soft,.badges,.aside,.role,.zone,.spans,.people,label,small{color:var(--s);font-size:.875rem;font-variant-numeric:tabular-nums}
button,select,[type=date]{font:600 .875rem var(--sa);min-block-size:2.4rem;min-inline-size:2.6rem;padding:.3rem .7rem;border:1px solid var(--f);border-radius:3px;background:var(--r);color:var(--i)}
button:hover{border-color:var(--a);cursor:pointer}[data-s]::before{content:attr(data-s)}.bar *{max-inline-size:100%}
.bar,.badges,.people,.pager,#ends{display:flex;flex-wrap:wrap;gap:.3rem .6rem;align-items:center}
.bar{margin-block:.6rem}#pick{margin-inline-start:auto}
#past,.tombstone{margin-block:.6rem;padding:.5rem .8rem;border-inline-start:4px solid var(--u);background:var(--r)}
summary{min-block-size:1.75rem;color:var(--a);font-size:.9rem;inline-size:fit-content;cursor:pointer}
.bar input{display:block;accent-color:var(--a)}
#over{position:relative;block-size:4rem;border-block-end:1px solid var(--f)}
#bins,#arcs{position:absolute;inset:0;inline-size:100%;block-size:100%;fill:var(--a)}.rtl #bins{transform:scaleX(-1)}
#over i{position:absolute;inset:0 auto;inline-size:var(--x);background:color-mix(in srgb,var(--p) 70%,transparent)}
#over i+i{inset-inline:var(--y) 0;inline-size:auto}
#over input{position:absolute;inset-inline:-12px;inline-size:calc(100% + 24px);block-size:100%;margin:0;appearance:none;background:none;pointer-events:none}
#over ::-webkit-slider-thumb{appearance:none;pointer-events:auto;inline-size:24px;block-size:4rem;background:linear-gradient(var(--a) 0 0) 50%/3px no-repeat,linear-gradient(var(--a) 0 0) 50%/9px 1.4rem no-repeat}
#over ::-moz-range-thumb{border:0;pointer-events:auto;inline-size:24px;block-size:4rem;background:linear-gradient(var(--a) 0 0) 50%/5px no-repeat}
#ends{justify-content:space-between}
#chart{position:relative;border-block-end:1px solid var(--f)}
#axis{position:sticky;inset-block-start:0;z-index:4;block-size:1.8rem;background:var(--p);border-block-end:1px solid var(--f);overflow:hidden}
#axis span,#lines i{position:absolute;inset-block:0;inset-inline-start:calc(var(--x)*1px);padding-inline-start:.3rem;border-inline-start:1px solid var(--l);font-size:.8125rem;line-height:1.2rem;white-space:pre}
.row{position:relative;block-size:calc(var(--n)*26px + 10px + var(--o));border-block-start:1px solid var(--l)}
.head{position:absolute;inset-block-start:6px;max-inline-size:calc(var(--lw)*1px - 1rem);font:600 .875rem/1.2 var(--sa)}
.narrow .head{max-inline-size:none}
.e{--c:var(--a);display:flex;align-items:center;block-size:24px;font-size:.8125rem;background:50%/100% 10px no-repeat}
.row .e{position:absolute;inset-block-start:calc(var(--y)*26px + 5px + var(--o));inset-inline-start:calc((var(--x) + var(--lw))*1px);inline-size:calc(var(--b)*1px);cursor:pointer;scroll-margin-block:4rem 1rem}
.e::before{content:"";flex:none;inline-size:11px;block-size:11px;margin-inline:2px 3px;background:var(--c);border-radius:50%;outline:2px solid var(--p)}
.kind-statement::before{border-radius:0;block-size:13px;clip-path:polygon(0 0,100% 0,100% 68%,58% 68%,22% 100%,22% 68%,0 68%)}
.kind-plan::before{border-radius:0;rotate:45deg;scale:.85;background:var(--p);border:2px solid var(--c)}
.unsure{--c:var(--w)}
.unsure::before{background-image:linear-gradient(135deg,transparent 40%,var(--p) 40% 60%,transparent 60%)}
.e span{flex:none;overflow:hidden;text-overflow:ellipsis;white-space:nowrap;max-inline-size:calc(var(--m)*1px);margin-inline-start:calc(var(--g)*1px);padding-inline:2px 4px;background:var(--p)}
.gone span,.retracted :is(h3,h4,h5,h6){text-decoration:line-through}
.shape-exact{background-image:linear-gradient(var(--c) 0 0);background-size:100% 4px}
.shape-span{background-image:linear-gradient(var(--c) 0 0)}
.shape-within,.shape-about,.shape-before,.shape-after,.core{--d:repeating-linear-gradient(90deg,var(--c) 0 4px,transparent 4px 7px);
--h:repeating-linear-gradient(-45deg,var(--c) 0 1.5px,transparent 1.5px 5px) 50%/100% 10px no-repeat;background:var(--o1,var(--h)),var(--d) 0 7px/100% 1px no-repeat,var(--d) 0 16px/100% 1px no-repeat,var(--h)}
.shape-before{--o1:linear-gradient(to var(--back),transparent 20%,var(--p))}
.shape-after{--o1:linear-gradient(to var(--fwd),transparent 20%,var(--p))}
.core{--o1:linear-gradient(var(--c) 0 0) var(--cx) 50%/var(--cw) 8px no-repeat}
.shape-until{background:linear-gradient(to var(--back),var(--c) 20%,transparent) var(--back)/calc(100% - 15px) 10px no-repeat}
.shape-since{background-image:linear-gradient(to var(--fwd),var(--c) 20%,transparent)}
.row .shape-until::before,.row .shape-before::before{margin-inline-start:calc(var(--b)*1px - 14px)}
.many{justify-content:center}.many::before{display:none}
.many span{border:1px solid var(--a);border-radius:9px;padding-inline:6px;font-weight:600;max-inline-size:none}
.e[aria-selected=true],.e:hover{z-index:3}
.e[aria-selected=true] span,.e:hover span,.many span,[aria-current]{background:var(--t);max-inline-size:none}
.e[aria-selected=true]::before{outline:3px solid var(--u)}
#arcs{pointer-events:none;z-index:2;fill:none;stroke:var(--u);stroke-width:1.5}
.against{stroke:var(--w);stroke-dasharray:5 3}.copy{stroke-dasharray:1 3}
#key li{display:inline-flex;gap:.7rem;inline-size:17rem;min-block-size:1.9rem}#key .e{inline-size:3.5rem}
#panel{margin-block:1rem;padding:1rem;border-block-start:3px solid var(--a);background:var(--r)}
#panel .e,article .e{background:none;inline-size:auto}
#panel section{margin-block-start:.8rem}#panel h4,#panel h5,dt{font:600 .875rem/1.6 var(--sa)}
#close{float:inline-end}
#list article{position:relative;padding-block-end:1.3rem;padding-inline-start:1.7rem;border-inline-start:1px solid var(--l);margin-inline-start:.5rem}
#list .e{position:absolute;inset-inline-start:-9px}
.date,.dateline{font-size:.9rem;font-weight:600}
:is(h3,h4,h5,h6) a{color:var(--i);text-decoration:none}
article a,#panel a{display:inline-block;min-block-size:1.5rem}
.summary,blockquote,cite{font:1.02rem/1.5 var(--se);max-inline-size:42rem;white-space:pre-line}
.rel-denies .label,.rel-contradicts .label{color:var(--w);font-weight:600}
@media (forced-colors:active){:host{--p:Canvas;--r:Canvas;--i:CanvasText;--s:CanvasText;--l:GrayText;--f:CanvasText;--a:CanvasText;--t:Canvas;--w:CanvasText;--u:Highlight}
.e,.e::before,#bins,#arcs,#over *{forced-color-adjust:none}}
@media print{.bar,#clocks,#key,#over,#ends,#chart,#panel,.pager,#more{display:none!important}
::details-content{content-visibility:visible;block-size:auto}.out::after{content:" (" attr(href) ")"}}`);

const DAY = 86400, YEAR = 31556952, FADE = 84, LEAST = 1800, PAGE = 12, CELLS = 240;
const STATE = ['datetime', 'as-of', 'reported-by', 'selected', 'view', 'lanes'];
const SAFE = /^(article|section|p|h\d|[uod]l|li|d[td]|div|span|bdi|a|time|details|summary|q|cite|blockquote|code|strong|del|ins)$/;
const OPEN = /until|before/;

// Short names, everywhere the same: e an element, it an event (or a count of several), a and b the ends of a stretch,
// s a moment in seconds since 1970, n a number of events, x and y places in pixels; inside a short function others are
// the first letters of what they hold.
const fill = (node, given) => { for (const name in given) if (given[name]) node.setAttribute(name, given[name]); return node; };
const make = (a, given, ...kids) => { const node = fill(document.createElement(a), given); node.append(...kids); return node; };
const draw = given => fill(document.createElementNS('http://www.w3.org/2000/svg', 'path'), given);
const vars = (node, given) => { for (const name in given) node.style.setProperty(`--${name}`, given[name]); return node; };
const within = (node, w) => [...node.querySelectorAll(w)];
const clamp = (n, low, h) => Math.max(low, Math.min(h, n));
const nearest = (c, x) => c.reduce((b, e) => (Math.abs(b.item.l - x) <= Math.abs(e.item.l - x) ? b : e), c[0]);
const byLeft = (a, b) => a.l - b.l;

// Copy what only says something. Nothing that could run, load or send survives, whoever wrote it.
const copy = (from, base, w) => [...from.childNodes].flatMap(e => {
  const t = e.localName, href = e.getAttribute?.('href'), u = href && new URL(href, base), named = e.className;
  if (e.nodeType === 3) return e.data;
  return SAFE.test(t) ? make(t.replace(/\d/, n => Math.min(6, +n + w)), {
    class: named === 'mark' ? `e ${from.className}` : named, lang: e.lang, dir: e.dir, datetime: e.dateTime, rel: e.rel,
    'data-id': t === 'article' && e.id, href: u && /^http/.test(u.protocol) && u,
  }, ...copy(e, base, w)) : [];
});

const yearOf = s => Math.floor(s / YEAR) + 1970;
// Seconds as the API reads them; where RFC 3339 has no such year, as EDTF.
const written = s => {
  const y = yearOf(s), d = `${Math.abs(y)}`.padStart(4, 0);
  return y > 0 && y < 9999 ? `${new Date(s * 1000).toISOString().slice(0, 19)}Z` : `${d > 9999 ? 'Y' : ''}${y < 0 ? '-' : ''}${d}`;
};
const interval = (a, b) => { const both = [written(a), written(b)]; return (both.every(e => e[19]) ? both : both.map(e => e.replace(/(.)-\d\d-.*/, '$1'))).join('/'); };

const language = host => host.closest('[lang]')?.lang || 'en', isFrench = lang => /^fr/i.test(lang);

const run = (host, root) => {
  const attribute = name => host.getAttribute(name) || '', lang = language(host), locale = /^(fr|en-)/i.test(lang) ? lang : 'en-GB', said = isFrench(lang) ? french : WORDS;
  const zone = attribute('tz') || 'UTC', level = +attribute('heading-level') || 2, rtl = getComputedStyle(host).direction === 'rtl', src = new URL(attribute('src'), document.baseURI);
  const linked = host.hasAttribute('deep-link'), prefix = attribute('deep-link') && `${attribute('deep-link')}.`, end = new AbortController(), given = host.querySelector('li');
  const t = (n, more) => (said[n] ?? WORDS[n] ?? n).replace(/\{(\w)\}/g, (_, name) => more?.[name].toLocaleString(locale)), named = key => `aria-label="${t(key)}"`;
  const button = (name, sign) => `<button type=button id=${name} ${sign ? `${named(name)} title="${t(name)}" data-s="${sign}">` : `>${t(name)}`}</button>`;
  const [back, fwd, left, right] = rtl ? ['right', 'left', '→', '←'] : ['left', 'right', '←', '→'];
  // Our own words alone: no data is ever read as markup.
  root.innerHTML = `<section id=root part=root dir=${rtl ? 'rtl' : 'ltr'} lang=${locale} aria-labelledby=title><h${level} id=title part=title></h${level}><p id=count class=soft dir=auto></p><p id=past role=alert hidden></p><p>${button('new')}${button('pause')}</p><div id=main>
<div class=bar part=toolbar role=group ${named('tools')}>${button('earlier', left)}${button('later', right)}${button('out', '−')}${button('in', '+')}${button('fit')}
<label id=pick>${t('lanes')} <select id=lanes>${['actor', 'topic', 'place', 'kind', 'none'].map(e => `<option value=${e}>${t(e)}`).join('')}</select></label>${button('view')}</div>
<details id=clocks><summary>${t('clocks')}</summary></details>
<div id=over part=overview><svg id=bins role=img viewBox="0 0 120 100" preserveAspectRatio=none></svg><i></i><i></i><input type=range max=1000 id=start ${named('start')}><input type=range max=1000 id=end ${named('end')}></div><div id=ends class=soft></div>
<div id=chart><div id=axis part=axis aria-hidden=true></div><div id=lines></div><div id=grid role=grid part=lanes ${named('events')}></div><svg id=arcs aria-hidden=true></svg></div><p id=more class=soft></p></div>
<div id=panel part=panel role=region ${named('details')} tabindex=-1 hidden></div><slot id=slot></slot><div id=list part=list></div>
<div id=key></div><p id=status role=status class=hide></p></section>`;
  const ui = Object.fromEntries(within(root, '[id]').map(e => [e.id, e]));
  ui.title.textContent = attribute('label') || t('title');
  ui.title.classList.toggle('hide', !attribute('label'));
  ui.root.classList.toggle('rtl', rtl);
  vars(ui.root, { back, fwd });
  ui.new.hidden = ui.pause.hidden = true;

  let data, now, win, home, span, bins, all, drawn, wide, lw, roving, timer, stop, stream, last, paused, came, dials, state;
  const heard = new Set(), say = text => { ui.status.textContent = text; };
  const emit = (name, detail) => host.dispatchEvent(new CustomEvent(`timeline-${name}`, { detail, bubbles: true, composed: true }));
  const LONG = { day: 'numeric', month: 'long', year: 'numeric' }, FAR = 8.6e12, ancient = s => s < -621e8;
  const format = (options, timeZone = zone) => new Intl.DateTimeFormat(locale, { timeZone, ...options });
  // A moment in words; beyond the browser's calendar, its year.
  const tell = (s, options = LONG, e = zone) => (Math.abs(s) > FAR ? yearOf(s).toLocaleString(locale) : format(ancient(s) ? { ...options, era: 'short' } : options, e).format(s * 1000));
  const stretch = (a, b) => (ancient(a) || b > FAR ? `${tell(a)} – ${tell(b)}` : format((b - a + 1) % DAY && b - a < 3 * DAY ? { ...LONG, hour: '2-digit', minute: '2-digit' } : LONG).formatRange(a * 1000, b * 1000));

  // ---- asking

  const clocks = () => ({ reported_by: state['reported-by'], [/^\d+$/.test(state['as-of']) ? 'at' : 'as_of']: state['as-of'] });
  const address = (p, more, o) => {
    const u = new URL(p, src), asked = new URLSearchParams(o ? '' : src.search), a = { lang: locale, tz: !o && attribute('tz'), ...more };
    if (p !== src.href) for (const name of ['window', 'lanes', 'max_lanes', 'slots', ...more.datetime ? ['from', 'to'] : [], ...state['as-of'] ? ['at', 'as_of'] : []]) asked.delete(name);
    for (const name in a) if (a[name]) asked.set(name, a[name]);
    u.search = asked;
    return u;
  };
  const eventUrl = (i, more = clocks()) => address(`../events/${i}`, more, true);
  const get = async url => {
    const a = await fetch(url, { signal: stop?.signal });
    if (!a.ok) throw new Error((await a.json()).detail);
    return a;
  };
  const page = async url => new DOMParser().parseFromString(await (await get(url)).text(), 'text/html');
  const chart = async window => (await get(address(src.href, { window, lanes: state.lanes, max_lanes: attribute('max-lanes'), slots: clamp(Math.floor(ui.root.clientWidth / 54), 24, 240), ...clocks() }))).json();
  const failed = e => t('failed', { w: e.message });
  const load = async () => {
    stop?.abort();
    const mine = stop = new AbortController();
    try {
      data = await chart(home && state.datetime);
      if (!home && data.range) {
        now = data;
        settle();
        if (state.datetime || data.clusters[0]) data = await chart(state.datetime || interval(...home));
        bars();
      }
      if (!now || (!data.pinned && !state['reported-by'])) now = data;
      all = !data.clusters[0] && data.in_window === data.count - data.undated;
      win = state.datetime && data.window ? [data.window.start, data.window.end] : win ?? home;
      ui.past.hidden = true;
      size(true);
      listen();
      await list();
    } catch (error) {
      if (mine.signal.aborted) return;
      ui.past.hidden = false;
      ui.past.replaceChildren(failed(error), ' ', make('button', { id: 'again', type: 'button' }, t('again')));
      ui.main.hidden = !data;
    }
  };
  const shown = () => [...data.events, ...data.clusters];
  const points = () => shown().map(it => [it.start ?? it.end, it.count ?? 1]).filter(([s]) => s != null);
  // Open where most of it happened: a few far dates shall not press all the others into one line.
  const settle = () => {
    const { start, end } = data.range, found = points().sort(([a], [b]) => a - b);
    const t = found.reduce((s, [, n]) => s + n, 0), at = s => { let sum = 0; return found.find(([, n]) => (sum += n) >= s * t)[0]; };
    let a = at(.05), b = at(.95);
    const f = (b - a) * 3 > end - start || t < 8;
    if (f) [a, b] = [start, end];
    const pad = Math.max((b - a) * .04, DAY);
    home = [Math.floor((a - pad) / DAY) * DAY, Math.ceil((b + pad) / DAY) * DAY - 1];
    span = f ? [start - pad, end + pad] : home;
  };
  const bars = () => {
    const [a, b] = span, { start, width, counts } = now.overview;
    bins = Array(120).fill(0);
    for (const [s, n] of now.clusters[0] && span !== home ? counts.map((n, bin) => [start + (bin + .5) * width, n]) : points()) {
      const bin = Math.floor((s - a) / (b - a + 1) * 120);
      if (bin in bins) bins[bin] += n;
    }
  };

  // ---- state

  const fragment = () => new URLSearchParams(linked && /=/.test(location.hash) ? location.hash.slice(1) : '');
  const wanted = () => { const a = fragment(); return Object.fromEntries(STATE.map(name => [name, a.get(prefix + name) ?? attribute(name)])); };
  const write = () => {
    const asked = fragment();
    for (const name of STATE) if (state[name] !== attribute(name)) asked.set(prefix + name, state[name]); else asked.delete(prefix + name);
    if (linked) history.replaceState(history.state, '', `#${asked}`);
  };
  const set = more => {
    const w = state, c = (...n) => n.some(name => w[name] !== state[name]);
    state = { ...state, ...more };
    write();
    if (c('selected')) { open(); emit('select', { id: state.selected || null }); }
    if (c('as-of', 'reported-by')) emit('asof', { asOf: state['as-of'] || null, reportedBy: state['reported-by'] || null });
    if (c('as-of', 'reported-by', 'lanes', 'datetime')) load(); else if (c('view')) size(true);
  };
  // Look at this stretch: drawn at once where all of it is here, else asked for when the hand rests.
  const look = (from, to) => {
    const { start, end } = now.range, width = clamp(to - from, LEAST, (end - start) * 1.3 + 4 * DAY), a = Math.round(clamp((from + to) / 2, start, end) - width / 2), b = Math.round(a + width);
    win = [a, b];
    state.datetime = interval(a, b);
    render(!all);
    clearTimeout(timer);
    timer = setTimeout(() => {
      write();
      emit('window', { start: a, end: b, datetime: state.datetime });
      say(ui.count.textContent);
      if (all) list(); else load();
    }, 150);
  };
  const pan = share => look(...win.map(s => s + (win[1] - win[0]) * share));
  const zoom = (b, a = (win[0] + win[1]) / 2) => look(...win.map(s => a + (s - a) * b));
  const fit = () => { const { start, end } = now.range, pad = (end - start) * .02 + DAY; look(start - pad, end + pad); };
  const step = by => set({ 'as-of': data.position + by >= now.position ? '' : `${Math.max(1, data.position + by)}` });

  // ---- drawing

  const size = f => {
    const width = ui.root.clientWidth, n = width < 40 * parseFloat(getComputedStyle(document.documentElement).fontSize);
    if (!data || (!f && width === wide)) return;
    wide = width;
    lw = n ? 0 : clamp(width * .17, 110, 190);
    drawn = data.range && (state.view === 'chart' || (!n && state.view !== 'list'));
    ui.root.classList.toggle('narrow', n);
    ui.view.textContent = t(drawn ? 'list' : 'chart');
    ui.main.hidden = !now.range;
    for (const e of [ui.chart, ui.more, ui.pick, ui.key]) e.hidden = !drawn;
    vars(ui.chart, { lw, o: n ? '20px' : '0px' });
    render();
  };
  const inside = it => (it.start ?? -Infinity) <= win[1] && (it.end ?? Infinity) >= win[0];
  const render = l => {
    const { count, undated, position } = data, k = all ? data.events.filter(inside).length : data.in_window;
    ui.count.textContent = [count ? win && t('count', { k, n: count, w: stretch(...win) }) : t('empty'), undated && t('undated', { n: undated }), now.count !== count && t('known', { n: now.count }), t('position', { n: position })].filter(Boolean).join(' · ');
    ui.lanes.value = state.lanes || 'actor';
    dials?.(state, data, now, win?.map(written));
    if (!win) return;
    band();
    if (drawn && !l) { ticks(); rows(); arcs(state.selected); }
  };
  // What the overview spans: the main stretch while the window lies in it, else the whole range.
  const spanned = () => (win[0] >= span[0] && win[1] <= span[1] ? span : [Math.min(win[0], span[0], now.range.start), Math.max(win[1], span[1], now.range.end)]);
  const band = () => {
    const [a, b] = spanned(), at = s => clamp((s - a) / (b - a), 0, 1), m = Math.max(...bins), x = at(span[0]) * 120, l = at(span[1]) - x / 120, [start, end] = win;
    ui.bins.ariaLabel = t('span', { a: tell(a), b: tell(b), c: tell(span[0] + (bins.indexOf(m) + .5) / 120 * (span[1] - span[0])) });
    // The square root: one event still shows beside fifty.
    ui.bins.replaceChildren(draw({ d: bins.map((n, bin) => (n ? `M${x + bin * l} 100v${-96 * Math.sqrt(n / m)}h${l * .8}V100z` : '')).join('') }));
    vars(ui.over, { x: `${at(start) * 100}%`, y: `${at(end) * 100}%` });
    [ui.start, ui.end].forEach((e, index) => { e.value = at(win[index]) * 1000; e.ariaValueText = tell(win[index]); });
    ui.ends.replaceChildren(...[(now.range.start < a ? '… ' : '') + tell(a), tell(b) + (now.range.end > b ? ' …' : '')].map(text => make('span', { dir: 'auto' }, text)));
  };
  // Ticks of the smallest unit that leaves them apart; days and hours are those of `tz`.
  // u is the unit and o how it is written, l so many months m, d the shift of the zone, p what places a tick.
  const ticks = () => {
    const [a, b] = win, per = (wide - lw) / (b - a), u = [3600, 10800, 21600, DAY, 2 * DAY, 7 * DAY].find(s => s * per > (s < DAY ? 120 : 80)), found = [];
    const d = u && zone !== 'UTC' ? Date.parse(`${new Date(a * 1000).toLocaleString('sv', { timeZone: zone })}Z`) / 1000 - a : 0, m = YEAR / 12;
    let l = 1;
    for (let n = 0; l * m * per < 80; n += 1) l *= [3, 4][n] ?? (n % 2 ? 2 : 5);
    if (u) for (let s = Math.ceil((a + d - 4 * DAY) / u) * u + 4 * DAY; s < b + d; s += u) found.push(s);
    else for (let n = Math.ceil(a / m / l) * l; n * m < b; n += l) found.push(Math.abs(n) > 3e6 ? n * m : new Date(0).setUTCFullYear(1970, n) / 1000);
    const o = u ? { day: 'numeric', month: 'short', ...u < DAY && { hour: '2-digit', minute: '2-digit' } } : { year: 'numeric', ...l < 12 && { month: 'short' } };
    const p = (e, s) => vars(e, { x: (s - d - a) * per + lw });
    ui.axis.replaceChildren(...found.map(s => p(make('span', { dir: 'auto' }, tell(s, o, 'UTC')), s)));
    ui.lines.replaceChildren(...found.map(s => p(make('i'), s)));
  };
  const inLane = (it, l) => ('lane' in it ? [it.lane] : it.lanes[0] == null ? [null] : it.lanes).includes(l);
  // f is the item that has the focus, l the lanes, e what is in the window, p the lanes packed.
  const rows = () => {
    const px = wide - lw, f = root.activeElement?.item, l = data.lanes.map((lane, index) => ({ ...lane, index })), e = shown().filter(inside);
    if (!l[0] || e.some(it => inLane(it, null))) l.push({ name: t(l[0] ? 'other' : 'events'), index: null });
    let deep = clamp(Math.floor(48 / l.length), 3, 14), p;
    do p = l.map(({ index }) => pack(items(e, index, px), deep, px)); while (p.flat().length > CELLS && --deep);
    ui.grid.replaceChildren(...p.map((found, index) => { const { lang, name, count = '' } = l[index]; return vars(make('div', { role: 'row', class: 'row', part: 'lane' },
      make('div', { role: 'rowheader', class: 'head', dir: 'auto', lang }, name, make('small', {}, ` ${count}`)), ...found.map(cell)), { n: Math.max(1, ...found.map(item => item.y + 1)) }); }));
    ui.more.textContent = data.other_lanes ? t('more', { n: data.other_lanes }) : '';
    rove(f);
  };
  // What stands in a lane, with its box in pixels from the start of the line.
  // e of all that is in the window; then per item its start a, its end e, its least width b, and k where the start is known.
  const items = (e, lane, px) => e.filter(it => inLane(it, lane)).map(it => {
    const x = s => (s - win[0]) / (win[1] - win[0] + 1) * px, { start: a, end: e, count } = it, b = count ? 40 : 24, k = a != null, to = e != null ? x(e + 1) : px;
    const l = clamp(k ? x(a) : e != null ? Math.min(to, px) - FADE : 0, 0, px - b), r = k && e == null ? l + FADE : to;
    return { it, many: count, n: count ?? 1, l, r: count ? l + 40 : clamp(r, l + 24, Math.max(px, l + 24)), rank: count ? Infinity : it.sources + it.relations.length + it.revision };
  });
  // Put boxes into rows, the most important first, and what finds no room into counts; then label what has room.
  // s is what finds no room, g the count that it joins, w a width.
  const pack = (f, deep, px) => {
    const lines = [], groups = [];
    const s = f.sort((a, b) => b.rank - a.rank || (a.it.id < b.it.id ? -1 : 1)).filter(item => {
      item.y = 0;
      while (lines[item.y]?.some(other => other.l <= item.r && item.l <= other.r)) item.y += 1;
      return item.y >= deep || !(lines[item.y] ??= []).push(item);
    });
    for (const item of s.sort(byLeft)) {
      const g = groups.at(-1);
      if (item.l < g?.r + 2) { g.held.push(item.it); g.n += item.n; g.many = true; } else groups.push({ ...item, l: Math.min(item.l, px - 40), r: item.l + 40, y: lines.length, held: [item.it] });
    }
    for (const e of lines) e.sort(byLeft).forEach((item, index) => {
      const w = item.r - item.l, long = w > 110;
      item.g = OPEN.test(item.it.shape) ? 0 : (long ? 60 : w) - 16;
      item.room = Math.min(300, long ? w - 64 : 300, (e[index + 1]?.l ?? px) - (item.g ? item.l + item.g + 18 : item.r));
    });
    return [...lines.flat(), ...groups].sort((a, b) => byLeft(a, b) || a.y - b.y);
  };
  // i is the item, c its certain core, s what is said of it, p the core's share and a where that begins.
  const cell = i => {
    const { it, many, l, r, y, room, n, held, g } = i, { core: c, kind, status, retracted, start, end } = it, whole = end - start + 1, text = many ? `${held ? '+' : ''}${n.toLocaleString(locale)}` : room > 54 ? it.title : '';
    const s = many ? t('many', { n, w: it.words ?? stretch(start, end), t: it.title }) : [it.title, it.words, c && t('core'), t(kind), t(status), retracted && t('retracted'), it.revision > 1 && t('corrected'), t('sources', { n: it.sources })].filter(Boolean).join('. ');
    const e = make('div', { role: 'gridcell', tabindex: '-1', part: many ? 'many' : `event ${kind}`, 'data-event-id': !many && it.id, 'aria-label': s, 'aria-selected': `${!many && it.id === state.selected}`,
      class: many ? 'e many' : `e kind-${kind} ${c ? 'core' : `shape-${it.shape}`} ${/d[ie][sn][pi]|cancel/.test(status) ? 'unsure' : ''} ${retracted ? 'gone' : ''}` }, ...text ? [make('span', { dir: 'auto', lang: it.lang }, text)] : []);
    e.item = i;
    if (c) {
      const p = (c[1] - c[0] + 1) / whole, a = (c[0] - start) / whole / (1 - p || 1);
      vars(e, { cw: `${p * 100}%`, cx: `${(rtl ? 1 - a : a) * 100}%` });
    }
    return vars(e, { x: l, b: r - l, y, m: room, g: many ? 0 : g });
  };
  const holds = (item, id) => item.held?.some(it => it.id === id);
  const arcs = async id => {
    ui.arcs.toggleAttribute('hidden', !id);
    if (id) (await more()).arcs(id, cells(), data.events, ui, draw, rtl);
  };

  // ---- focus and keys

  const cells = () => within(ui.grid, '.e');
  // One tab stop; and after a drawing the focus where it was: the event, else its count, else what is nearest.
  // f is the item that has the focus, n finds a cell by its item, s one of the same event (or count of several).
  const rove = f => {
    const found = cells(), i = f ?? roving, id = i?.aim ?? i?.it.id, n = does => found.find(e => does(e.item)), s = many => n(other => other.it.id === id && !other.many === !many);
    let to = n(other => other === i) ?? s(i?.many && !i.aim) ?? s();
    if (!to && (to = n(other => other.it.id === id || holds(other, id)))) to.item.aim = id;
    if (!to && f) { to = nearest(found, f.l); say(t('moved')); }
    to ??= found[0];
    for (const e of found) e.tabIndex = e === to ? 0 : -1;
    roving = to?.item;
    if (f && root.activeElement !== to) (to ?? ui.view).focus({ preventScroll: true });
  };
  const listed = id => within(ui.list, 'article').find(e => e.dataset.id === id);
  const shut = () => {
    const id = state.selected, found = cells(), f = found.find(e => e.dataset.eventId === id) ?? found.find(e => !e.tabIndex);
    ui.panel.hidden = true;
    set({ selected: '' });
    (drawn && f || listed(id)?.querySelector('a') || ui.view).focus();
  };
  const act = ({ item: { it, many, held } }, enter) => {
    // A count of one day splits no further: its events are the list.
    const { start, end } = it;
    if (held || !many) set({ selected: many ? '' : it.id });
    else if (end - start > DAY) look(start - LEAST, end + LEAST);
    else list(address('../', { limit: PAGE, datetime: interval(start, end), [ui.lanes.value]: data.lanes[it.lane]?.id, ...clocks() }));
    if (held) show(held.map(e => make('p', {}, make('a', { href: eventUrl(e.id, {}), dir: 'auto' }, e.title), ` · ${e.words ?? e.count}`)));
    if (enter) ui.panel.focus();
  };
  // o is the cell, s its lane, r the lane's cells, g goes to one, x goes across lanes, m is the middle of the event, d what is done.
  const key = event => {
    if (event.key === 'Escape' && !ui.panel.hidden) shut();
    const o = event.target.closest('.row .e');
    if (!o || event.altKey || event.metaKey) return;
    const s = o.parentNode, r = within(s, '.e'), all = event.ctrlKey ? cells().sort((a, b) => byLeft(a.item, b.item)) : r, g = to => to?.focus();
    const along = b => g(r[r.indexOf(o) + (rtl ? -b : b)]), enter = () => act(o, true);
    const x = w => { let n = s; do n = n[w]; while (n && !n.querySelector('.e')); g(n && nearest(within(n, '.e'), o.item.l)); };
    const { start, end } = o.item.it, m = clamp(((start ?? end) + (end ?? start)) / 2 || 0, ...win);
    const d = { ArrowRight: () => along(1), ArrowLeft: () => along(-1), ArrowDown: () => x('nextSibling'), ArrowUp: () => x('previousSibling'), Home: () => g(all[0]), End: () => g(all.at(-1)), PageUp: clicks.earlier, PageDown: clicks.later,
      '+': () => zoom(.5, m), '-': () => zoom(2, m), 0: fit, Enter: enter, ' ': enter, '[': () => step(-1), ']': () => step(1), '?': () => { ui.key.open ^= 1; } }[event.key];
    if (!d || (event.ctrlKey && !/Home|End/.test(event.key))) return;
    event.preventDefault();
    d();
  };

  // ---- the list and the panel

  // The page's own list stays as long as it tells the truth: until the reader changes what is asked.
  const list = async h => {
    ui.list.hidden = !(ui.slot.hidden = !given || came || state['as-of'] || state['reported-by'] || state.datetime !== attribute('datetime'));
    mark();
    if (ui.list.hidden) return;
    const { range } = data, whole = !win || (win[0] <= range.start && win[1] >= range.end), b = h ?? address('../', { limit: PAGE, datetime: !whole && interval(...win), ...clocks() });
    const found = await page(b), past = found.querySelector('.past');
    ui.slot.before(ui.panel);
    ui.list.replaceChildren(...within(found, 'main .group,.pager').map(e => make('div', { class: e.className }, ...copy(e, b, level - 1))));
    if (past) ui.past.replaceChildren(...copy(past, b, 0));
    ui.past.hidden = !past;
    if (!ui.key.firstChild) ui.key.append(...copy(found.querySelector('.filters') ?? ui.key, b, 0));
    if (h) { say(t('events')); ui.list.querySelector('a').focus(); }
    mark();
  };
  const mark = () => {
    const h = listed(state.selected);
    for (const e of within(ui.list, 'article')) e.toggleAttribute('aria-current', e === h);
    if (h && !drawn) h.append(ui.panel); else ui.slot.before(ui.panel);
  };
  const show = kids => { ui.panel.replaceChildren(make('button', { id: 'close', type: 'button', 'aria-label': t('close'), 'data-s': '×' }), ...kids); ui.panel.hidden = false; };
  const open = async () => {
    const id = state.selected, u = id && eventUrl(id);
    for (const e of cells()) e.ariaSelected = `${e.dataset.eventId === id}`;
    if (drawn) arcs(id);
    mark();
    ui.panel.hidden = !id;
    if (!id) return;
    show([]);
    const found = await page(u).catch(e => make('p', {}, make('main', {}, failed(e))));
    if (state.selected === id) show([...copy(found.querySelector('main'), u, level), make('a', { href: u, target: '_blank' }, u.pathname)]);
  };

  // ---- live

  // Listen from where the answer ends; not while the past is shown, nor while paused.
  const listen = async () => {
    const o = !host.hasAttribute('live') || data.pinned || state['reported-by'];
    stream?.close();
    if (o) { ui.pause.hidden = true; return; }
    const { hear } = await more();
    stream?.close();
    if (!end.signal.aborted) stream = hear(address(attribute('live') || 'stream', { last_event_id: last ?? data.position }), paused, heard, ui, t, say, (change, event, id) => {
      last = id;
      emit('live', { change, event });
      if (change === 'erased') take();
    });
  };
  // Take in what was heard, where the reader is: the window stays.
  const take = () => {
    if (root.activeElement === ui.new) ui.fit.focus();
    heard.clear();
    ui.new.hidden = came = true;
    load();
  };

  const clicks = { earlier: () => pan(-.6), later: () => pan(.6), in: () => zoom(.5), out: () => zoom(2), fit, new: take, close: shut, again: load, view: () => set({ view: drawn ? 'list' : 'chart' }), pause: () => { paused = !paused; listen(); } };
  // The ends of the overview act while they are drawn.
  const edges = { start: s => look(Math.min(s, win[1] - LEAST), win[1]), end: s => look(win[0], Math.max(s, win[0] + LEAST)) };
  const on = (t, name, does) => t.addEventListener(name, does, { signal: end.signal });
  on(root, 'keydown', key);
  on(root, 'click', event => {
    const { target } = event, a = target.closest('a'), at = target.closest('.row .e'), id = /\/events\/([\w-]+)(\?|$)/.exec(a?.href)?.[1], past = a?.closest('#past'), t = /next|prev/.test(a?.rel);
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    if (t || past || (id && id !== state.selected)) event.preventDefault();
    if (past) { set({ 'as-of': '', 'reported-by': '' }); ui.view.focus(); } else if (id) set({ selected: id }); else if (t) list(a.href);
    if (at) { rove(at.item); act(at); }
    clicks[target.id]?.();
  });
  on(root, 'focusin', ({ target }) => { if (target.item) rove(target.item); });
  on(root, 'pointerover', ({ target, pointerType }) => { if (drawn && pointerType === 'mouse') arcs(target.closest('.row .e')?.dataset.eventId ?? state.selected); });
  on(root, 'input', ({ target }) => {
    const [a, b] = win ? spanned() : [];
    edges[target.id]?.(a + target.value / 1000 * (b - a));
  });
  on(ui.lanes, 'change', () => set({ lanes: ui.lanes.value }));
  // A details element tells of itself alone.
  on(ui.clocks, 'toggle', async () => {
    const { clocks } = await more();
    dials ??= clocks(ui.clocks, t, set, step, look);
    if (data) render(true);
  });
  on(window, 'hashchange', () => set(wanted()));
  const watch = new ResizeObserver(() => size());
  watch.observe(ui.root);
  state = wanted();
  load();
  if (state.selected) open();
  return { set, end: () => { end.abort(); stop.abort(); stream?.close(); watch.disconnect(); clearTimeout(timer); } };
};

customElements.get('timeline-view') ?? customElements.define('timeline-view', class extends HTMLElement {
  static observedAttributes = ['src', 'label', 'lang', 'dir', 'tz', 'max-lanes', 'heading-level', 'live', ...STATE];
  #runs;
  connectedCallback() {
    if (!this.shadowRoot) this.attachShadow({ mode: 'open' }).adoptedStyleSheets = [SHEET];
    if (isFrench(language(this)) && !french) more().then(({ FRENCH }) => read(FRENCH), () => ({})).then(w => { french = w; this.connectedCallback(); });
    // Words may come after the element has gone.
    else if (this.isConnected) { this.#runs?.end(); this.#runs = run(this, this.shadowRoot); }
  }
  disconnectedCallback() { this.#runs?.end(); this.#runs = null; }
  attributeChangedCallback(name, was, is) {
    if (!this.#runs || was === is) return;
    if (STATE.includes(name)) this.#runs.set({ [name]: is ?? '' }); else this.connectedCallback();
  }
});
