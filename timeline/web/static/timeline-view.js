// <timeline-view>: a chronicle as lanes and a list. What it takes and tells: /docs/widget.
// Lists and details are copies of the service's own pages: one wording, in one place.
const WORDS = Object.fromEntries(`title|Timeline|Chronologie
tools|View|Vue
earlier|Earlier|Plus tôt
later|Later|Plus tard
in|Zoom in|Agrandir
out|Zoom out|Réduire
fit|All dates|Toutes les dates
lanes|Lanes|Lignes
actor|by actor|par acteur
topic|by topic|par sujet
place|by place|par lieu
kind|by kind|par nature
none|one lane|une seule
chart|Chart|Graphique
list|List only|Liste seule
start|Start of the window|Début de la fenêtre
end|End of the window|Fin de la fenêtre
span|Events from {a} to {b}, most around {c}|Évènements, {a} à {b}, surtout vers {c}
count|{k} of {n} events, {w}|{k} évènements sur {n}, {w}
undated|{n} undated|{n} sans date
known|{n} known today|{n} connus aujourd’hui
position|position {n}|position {n}
clocks|Dates and clocks|Dates et horloges
from|Happened from|Survenu du
to|to|au
by|Published by|Publié au plus tard le
at|Recorded by|Enregistré au plus tard le
step|State of the log|État du registre
occurrence|occurrence|fait
statement|statement|déclaration
plan|plan|projet
reported|reported|rapporté
confirmed|confirmed|confirmé
disputed|disputed|contesté
denied|denied|démenti
planned|planned|prévu
cancelled|cancelled|annulé
retracted|retracted|retiré
corrected|corrected|corrigé
core|certain core, unsure ends|cœur certain, bouts incertains
sources|sources: {n}|sources : {n}
many|{n} events, {w}, with: {t}|{n} évènements, {w}, dont : {t}
details|Details|Détails
close|Close|Fermer
events|Events|Évènements
other|Others|Autres
more|and {n} more lanes|et {n} autres lignes
empty|No event meets this question.|Aucun évènement ne répond à cette question.
failed|The timeline could not be loaded: {w}|La chronologie n’a pas pu être chargée : {w}
again|Try again|Réessayer
new|{n} new events|{n} nouveautés
reset|Much has changed|Beaucoup a changé
pause|Pause live updates|Suspendre le direct
resume|Resume live updates|Reprendre le direct
moved|Out of view; this is the nearest.|Hors de vue ; voici le plus proche.`.split('\n').map((line) => line.split('|')).map(([key, ...said]) => [key, said]));

const SHEET = new CSSStyleSheet();
SHEET.replaceSync(`:host{display:block;--p:var(--paper,light-dark(#fbfaf6,#15171a));--r:var(--raised,light-dark(#fff,#1c1f23));
--i:var(--ink,light-dark(#1c1b19,#e9e6df));--s:var(--soft,light-dark(#56534d,#aca89f));--l:var(--line,light-dark(#d9d5cb,#363a40));
--f:var(--field,light-dark(#858074,#7f858d));--a:var(--accent,light-dark(#14507a,#8fc1e6));--t:var(--tint,light-dark(#eaf0f3,#1d2a35));
--w:var(--warn,light-dark(#8f2b1d,#f2a392));--u:var(--turn,light-dark(#7a4a00,#e9bf77));--se:var(--serif,Palatino,Charter,Georgia,serif);--sa:var(--sans,system-ui,sans-serif);
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
button:hover{border-color:var(--a);cursor:pointer}[data-s]::before{content:attr(data-s)}.bar>*{max-inline-size:100%}select{max-inline-size:100%}
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
#list article{position:relative;padding:0 0 1.3rem;padding-inline-start:1.7rem;border-inline-start:1px solid var(--l);margin-inline-start:.5rem}
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

const DAY = 86400, YEAR = 31556952, FADE = 84, LEAST = 1800, PAGE = 12, CELLS = 240, QUIET = 1e4;
const STATE = ['datetime', 'as-of', 'reported-by', 'selected', 'view', 'lanes'];
const SAFE = /^(article|section|p|h\d|[uod]l|li|d[td]|div|span|bdi|a|time|details|summary|q|cite|blockquote|code|strong|del|ins)$/;
const OPEN = /until|before/;

const fill = (node, given) => { for (const name in given) if (given[name]) node.setAttribute(name, given[name]); return node; };
const make = (tag, given, ...kids) => { const node = fill(document.createElement(tag), given); node.append(...kids); return node; };
const draw = (given) => fill(document.createElementNS('http://www.w3.org/2000/svg', 'path'), given);
const vars = (node, given) => { for (const name in given) node.style.setProperty(`--${name}`, given[name]); return node; };
const clamp = (value, low, high) => Math.max(low, Math.min(high, value));
const nearest = (cells, x) => cells.reduce((best, cell) => (Math.abs(best.item.l - x) <= Math.abs(cell.item.l - x) ? best : cell), cells[0]);

/** Copy what only says something. Nothing that could run, load or send survives, whoever wrote it. */
const copy = (from, base, down) => [...from.childNodes].flatMap((node) => {
  const tag = node.localName, href = node.getAttribute?.('href'), url = href && new URL(href, base), named = node.className;
  if (node.nodeType === 3) return node.data;
  return SAFE.test(tag) ? make(tag.replace(/\d/, (n) => Math.min(6, +n + down)), {
    class: named === 'mark' ? `e ${node.parentNode.className}` : named, lang: node.lang, dir: node.dir, datetime: node.dateTime, rel: node.rel,
    'data-id': tag === 'article' && node.id, href: url && /^http/.test(url.protocol) && url,
  }, ...copy(node, base, down)) : [];
});

/** Seconds as the API reads them; where RFC 3339 has no such year, as EDTF. */
const written = (second) => {
  const year = Math.floor(second / YEAR) + 1970, digits = `${Math.abs(year)}`.padStart(4, 0);
  return year > 0 && year < 9999 ? `${new Date(second * 1000).toISOString().slice(0, 19)}Z` : `${digits > 9999 ? 'Y' : ''}${year < 0 ? '-' : ''}${digits}`;
};

const run = (host, root) => {
  const attribute = (name) => host.getAttribute(name), lang = host.closest('[lang]')?.lang || 'en', french = /^fr/i.test(lang), locale = french || /^en-/i.test(lang) ? lang : 'en-GB';
  const zone = attribute('tz') || 'UTC', level = +attribute('heading-level') || 2, rtl = getComputedStyle(host).direction === 'rtl', src = new URL(attribute('src'), document.baseURI);
  const link = attribute('deep-link'), prefix = link && `${link}.`, end = new AbortController(), given = host.querySelector('li');
  const t = (key, more) => (WORDS[key]?.[+french] ?? key).replace(/\{(\w)\}/g, (_, name) => more?.[name].toLocaleString(locale));
  const button = (name, sign) => `<button type=button id=${name} ${sign ? `aria-label="${t(name)}" title="${t(name)}" data-s="${sign}">` : `>${t(name)}`}</button>`;
  const input = (type, ...names) => names.map((name) => `<label>${t(name)}<input type=${type} id=${name}></label>`).join('');
  // Our own words alone: no data is ever read as markup.
  root.innerHTML = `<section id=root part=root dir=${rtl ? 'rtl' : 'ltr'} lang=${locale} aria-labelledby=title><h${level} id=title part=title></h${level}><p id=count class=soft dir=auto></p><p id=past role=alert hidden></p><p>${button('new')}${button('pause')}</p><div id=main>
<div class=bar part=toolbar role=group aria-label="${t('tools')}">${button('earlier', rtl ? '→' : '←')}${button('later', rtl ? '←' : '→')}${button('out', '−')}${button('in', '+')}${button('fit')}
<label id=pick>${t('lanes')} <select id=lanes>${['actor', 'topic', 'place', 'kind', 'none'].map((each) => `<option value=${each}>${t(each)}`).join('')}</select></label>${button('view')}</div>
<details id=clocks><summary>${t('clocks')}</summary><div class=bar>${input('date', 'from', 'to', 'by', 'at')}${input('range', 'step')}<output id=told></output></div></details>
<div id=over part=overview><svg id=bins role=img viewBox="0 0 120 100" preserveAspectRatio=none></svg><i></i><i></i><input type=range max=1000 id=start aria-label="${t('start')}"><input type=range max=1000 id=end aria-label="${t('end')}"></div><div id=ends class=soft></div>
<div id=chart><div id=axis part=axis aria-hidden=true></div><div id=lines></div><div id=grid role=grid part=lanes aria-label="${t('events')}"></div><svg id=arcs aria-hidden=true></svg></div><p id=more class=soft></p></div>
<div id=panel part=panel role=region aria-label="${t('details')}" tabindex=-1 hidden></div><slot id=slot></slot><div id=list part=list></div>
<div id=key></div><p id=status role=status class=hide></p></section>`;
  const ui = Object.fromEntries([...root.querySelectorAll('[id]')].map((each) => [each.id, each]));
  ui.title.textContent = attribute('label') || t('title');
  ui.title.classList.toggle('hide', !attribute('label'));
  ui.root.classList.toggle('rtl', rtl);
  vars(ui.root, { back: rtl ? 'right' : 'left', fwd: rtl ? 'left' : 'right' });
  ui.new.hidden = true;
  ui.step.min = 1;

  let data, now, win, home, span, bins, all, drawn, wide, lw, roving, timer, stop, stream, last, paused, came, spoke = 0, state;
  const heard = new Set(), say = (text) => { ui.status.textContent = text; };
  const emit = (name, detail) => host.dispatchEvent(new CustomEvent(`timeline-${name}`, { detail, bubbles: true, composed: true }));
  const format = (options, timeZone = zone) => new Intl.DateTimeFormat(locale, { timeZone, ...options });
  const LONG = { day: 'numeric', month: 'long', year: 'numeric' }, ancient = (second) => second < -621e8;
  /** A moment in words; beyond the browser's calendar, its year. */
  const tell = (second, options = LONG, where = zone) => (Math.abs(second) > 8.6e12 ? (Math.floor(second / YEAR) + 1970).toLocaleString(locale) : format(ancient(second) ? { ...options, era: 'short' } : options, where).format(second * 1000));
  const stretch = (a, b) => (ancient(a) || b > 8.6e12 ? `${tell(a)} – ${tell(b)}` : format((b - a + 1) % DAY && b - a < 3 * DAY ? { ...LONG, hour: '2-digit', minute: '2-digit' } : LONG).formatRange(a * 1000, b * 1000));

  // ---- asking

  const clocks = () => ({ reported_by: state['reported-by'], [/^\d+$/.test(state['as-of']) ? 'at' : 'as_of']: state['as-of'] });
  const address = (path, more, one) => {
    const url = new URL(path, src), asked = new URLSearchParams(one ? '' : src.search), given_ = Object.entries({ lang: locale, tz: !one && attribute('tz'), ...more }).filter(([, value]) => value);
    if (path !== src.href) for (const name of ['window', 'lanes', 'max_lanes', 'slots', ...more.datetime ? ['from', 'to'] : [], ...state['as-of'] ? ['at', 'as_of'] : []]) asked.delete(name);
    for (const [name, value] of given_) asked.set(name, value);
    url.search = asked;
    return url;
  };
  const get = async (url) => {
    const answer = await fetch(url, { signal: stop?.signal });
    if (!answer.ok) throw new Error((await answer.json()).detail);
    return answer;
  };
  const page = async (url) => new DOMParser().parseFromString(await (await get(url)).text(), 'text/html');
  const interval = (a, b) => { const both = [written(a), written(b)]; return (both.every((each) => each[19]) ? both : both.map((each) => each.replace(/(.)-\d\d-.*/, '$1'))).join('/'); };
  const chart = async (window) => (await get(address(src.href, { window, lanes: state.lanes, max_lanes: attribute('max-lanes'), slots: clamp(Math.floor(ui.root.clientWidth / 54), 24, 240), ...clocks() }))).json();
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
      ui.past.replaceChildren(t('failed', { w: error.message }), ' ', make('button', { id: 'again', type: 'button' }, t('again')));
      ui.main.hidden = !data;
    }
  };
  /** Open where most of it happened: a few far dates shall not press all the others into one line. */
  const settle = () => {
    const { range } = data, points = [...data.events, ...data.clusters].map((each) => [each.start ?? each.end, each.count ?? 1]).filter(([second]) => second != null).sort(([a], [b]) => a - b);
    const total = points.reduce((sum, [, n]) => sum + n, 0), at = (share) => { let sum = 0; return points.find(([, n]) => (sum += n) >= share * total)[0]; };
    let [a, b] = [at(.05), at(.95)];
    const few = (b - a) * 3 > range.end - range.start || total < 8;
    if (few) [a, b] = [range.start, range.end];
    const pad = Math.max((b - a) * .04, DAY);
    home = [Math.floor((a - pad) / DAY) * DAY, Math.ceil((b + pad) / DAY) * DAY - 1];
    span = few ? [range.start - pad, range.end + pad] : home;
  };
  const bars = () => {
    const [a, b] = span, { overview, clusters } = now, put = (second, n) => { const bin = Math.floor((second - a) / (b - a + 1) * 120); if (bin in bins) bins[bin] += n; };
    bins = Array(120).fill(0);
    if (clusters[0] && span !== home) overview.counts.forEach((n, bin) => put(overview.start + (bin + .5) * overview.width, n));
    else for (const each of [...data.events, ...data.clusters]) put(each.start ?? each.end, each.count ?? 1);
  };

  // ---- state

  const wanted = () => {
    state = Object.fromEntries(STATE.map((name) => [name, attribute(name)]));
    if (link !== null) for (const [key, value] of new URLSearchParams(location.hash.slice(1))) if (key.startsWith(prefix) && key.slice(prefix.length) in state) state[key.slice(prefix.length)] = value;
    return state;
  };
  const write = () => {
    if (link === null) return;
    const asked = new URLSearchParams(/=/.test(location.hash) ? location.hash.slice(1) : '');
    for (const name of STATE) if ((state[name] || '') !== (attribute(name) || '')) asked.set(prefix + name, state[name] || ''); else asked.delete(prefix + name);
    history.replaceState(history.state, '', `#${asked}`);
  };
  const set = (more) => {
    const was = state, changed = (...names) => names.some((name) => (was[name] || '') !== (state[name] || ''));
    state = { ...state, ...more };
    write();
    if (changed('selected')) { open(); emit('select', { id: state.selected }); }
    if (changed('as-of', 'reported-by')) emit('asof', { asOf: state['as-of'], reportedBy: state['reported-by'] });
    if (changed('as-of', 'reported-by', 'lanes', 'datetime')) load(); else if (changed('view')) size(true);
  };
  /** Look at this stretch: drawn at once where all of it is here, else asked for when the hand rests. */
  const look = (from, to) => {
    const { range } = now, width = clamp(to - from, LEAST, (range.end - range.start) * 1.3 + 4 * DAY), a = Math.round(clamp((from + to) / 2, range.start, range.end) - width / 2), b = Math.round(a + width);
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
  const pan = (share) => look(win[0] + (win[1] - win[0]) * share, win[1] + (win[1] - win[0]) * share);
  const zoom = (by, at = (win[0] + win[1]) / 2) => look(at - (at - win[0]) * by, at + (win[1] - at) * by);
  const fit = () => { const { start, end: until } = now.range, pad = (until - start) * .02 + DAY; look(start - pad, until + pad); };
  const step = (by) => set({ 'as-of': data.position + by >= now.position ? null : `${Math.max(1, data.position + by)}` });

  // ---- drawing

  const size = (force) => {
    const width = ui.root.clientWidth, narrow = width < 40 * parseFloat(getComputedStyle(document.documentElement).fontSize);
    if (!data || (!force && width === wide)) return;
    wide = width;
    lw = narrow ? 0 : clamp(width * .17, 110, 190);
    drawn = data.range && (state.view === 'chart' || (!narrow && state.view !== 'list'));
    ui.root.classList.toggle('narrow', narrow);
    ui.view.textContent = t(drawn ? 'list' : 'chart');
    ui.main.hidden = !now.range;
    for (const each of [ui.chart, ui.more, ui.pick, ui.key]) each.hidden = !drawn;
    vars(ui.chart, { lw, o: narrow ? '20px' : '0px' });
    render();
  };
  const inside = ({ start, end: until }) => (start ?? -Infinity) <= win[1] && (until ?? Infinity) >= win[0];
  const render = (light) => {
    const { count, undated, position } = data, k = all ? data.events.filter(inside).length : data.in_window;
    ui.count.textContent = [count ? win && t('count', { k, n: count, w: stretch(...win) }) : t('empty'), undated && t('undated', { n: undated }), now.count !== count && t('known', { n: now.count }), t('position', { n: position })].filter(Boolean).join(' · ');
    ui.by.value = state['reported-by'] ?? '';
    ui.at.value = /^\d{4}-/.test(state['as-of']) ? state['as-of'] : '';
    ui.step.max = now.position;
    ui.step.value = position;
    ui.told.value = t('position', { n: position });
    ui.lanes.value = state.lanes || 'actor';
    if (!win) return;
    [ui.from.value, ui.to.value] = win.map((second) => written(second).slice(0, 10));
    band();
    if (drawn && !light) { ticks(); rows(); arcs(state.selected); }
  };
  /** What the overview spans: the main stretch while the window lies in it, else the whole range. */
  const spanned = () => (win[0] >= span[0] && win[1] <= span[1] ? span : [Math.min(win[0], span[0], now.range.start), Math.max(win[1], span[1], now.range.end)]);
  const band = () => {
    const [a, b] = spanned(), at = (second) => clamp((second - a) / (b - a), 0, 1), most = Math.max(...bins), left = at(span[0]) * 120, each = at(span[1]) - left / 120;
    ui.bins.ariaLabel = t('span', { a: tell(a), b: tell(b), c: tell(span[0] + (bins.indexOf(most) + .5) / 120 * (span[1] - span[0])) });
    // The square root: one event still shows beside fifty.
    ui.bins.replaceChildren(draw({ d: bins.map((n, bin) => (n ? `M${left + bin * each} 100v${-96 * Math.sqrt(n / most)}h${each * .8}V100z` : '')).join('') }));
    vars(ui.over, { x: `${at(win[0]) * 100}%`, y: `${at(win[1]) * 100}%` });
    [ui.start, ui.end].forEach((edge, index) => { edge.value = at(win[index]) * 1000; edge.ariaValueText = tell(win[index]); });
    ui.ends.replaceChildren(make('span', { dir: 'auto' }, (now.range.start < a ? '… ' : '') + tell(a)), make('span', { dir: 'auto' }, tell(b) + (now.range.end > b ? ' …' : '')));
  };
  /** Ticks of the smallest unit that leaves them apart; days and hours are those of `tz`. */
  const ticks = () => {
    const [a, b] = win, px = wide - lw, per = px / (b - a), unit = [3600, 10800, 21600, DAY, 2 * DAY, 7 * DAY].find((each) => each * per > (each < DAY ? 120 : 80)), found = [];
    const shift = unit && zone !== 'UTC' ? Date.parse(`${new Date(a * 1000).toLocaleString('sv', { timeZone: zone })}Z`) / 1000 - a : 0;
    let months = [1, 3].find((each) => each * YEAR / 12 * per > 80) ?? 12;
    for (let up = 5; months * YEAR / 12 * per < 80; up = 7 - up) months *= up;
    if (unit) for (let at = Math.ceil((a + shift - 4 * DAY) / unit) * unit + 4 * DAY; at < b + shift; at += unit) found.push(at);
    else for (let at = Math.ceil(a / YEAR * 12 / months) * months; at * YEAR / 12 < b; at += months) found.push(Math.abs(at) > 3e6 ? at * YEAR / 12 : new Date(0).setUTCFullYear(1970, at) / 1000);
    const name = unit ? { day: 'numeric', month: 'short', ...unit < DAY && { hour: '2-digit', minute: '2-digit' } } : { year: 'numeric', ...months < 12 && { month: 'short' } };
    ui.axis.replaceChildren(...found.map((at) => vars(make('span', { dir: 'auto' }, tell(at, name, 'UTC')), { x: (at - shift - a) * per + lw })));
    ui.lines.replaceChildren(...found.map((at) => vars(make('i'), { x: (at - shift - a) * per + lw })));
  };
  const rows = () => {
    const px = wide - lw, focused = root.activeElement?.item, lanes = data.lanes.map((lane, index) => ({ ...lane, index })), every = [...data.events, ...data.clusters].filter(inside);
    if (!lanes[0] || every.some((each) => !(each.lanes?.length ?? each.lane !== null))) lanes.push({ name: t(lanes[0] ? 'other' : 'events'), index: null });
    let deep = clamp(Math.floor(48 / lanes.length), 3, 14), packed;
    do packed = lanes.map(({ index }) => pack(items(every, index, px), deep, px)); while (packed.flat().length > CELLS && --deep);
    ui.grid.replaceChildren(...packed.map((found, index) => vars(make('div', { role: 'row', class: 'row', part: 'lane' },
      make('div', { role: 'rowheader', class: 'head', dir: 'auto', lang: lanes[index].lang }, lanes[index].name, make('small', {}, ` ${lanes[index].count ?? ''}`)), ...found.map(cell)), { n: Math.max(1, ...found.map((item) => item.y + 1)) })));
    ui.more.textContent = data.other_lanes ? t('more', { n: data.other_lanes }) : '';
    rove(focused);
  };
  /** What stands in a lane, with its box in pixels from the start of the line. */
  const items = (every, lane, px) => every.filter((it) => ('lane' in it ? it.lane === lane : lane === null ? !it.lanes.length : it.lanes.includes(lane))).map((it) => {
    const x = (second) => (second - win[0]) / (win[1] - win[0] + 1) * px, { start, end: until, count } = it, least = count ? 40 : 24;
    const l = clamp(start != null ? x(start) : until != null ? Math.min(x(until + 1), px) - FADE : 0, 0, px - least), r = until != null ? x(until + 1) : start != null ? l + FADE : px;
    return { it, many: count, n: count ?? 1, l, r: count ? l + 40 : clamp(r, l + 24, Math.max(px, l + 24)), rank: count ? Infinity : it.sources + it.relations.length + it.revision };
  });
  /** Put boxes into rows, the most important first, and what finds no room into counts; then label what has room. */
  const pack = (found, deep, px) => {
    const lines = [], groups = [];
    const spare = found.sort((a, b) => b.rank - a.rank || (a.it.id < b.it.id ? -1 : 1)).filter((item) => {
      item.y = 0;
      while (lines[item.y]?.some((other) => other.l <= item.r && item.l <= other.r)) item.y += 1;
      return item.y >= deep || !(lines[item.y] ??= []).push(item);
    });
    for (const item of spare.sort((a, b) => a.l - b.l)) {
      const group = groups.at(-1);
      if (item.l < group?.r + 2) { group.held.push(item.it); group.n += item.n; group.many = true; } else groups.push({ ...item, l: Math.min(item.l, px - 40), r: item.l + 40, y: lines.length, held: [item.it] });
    }
    for (const line of lines) line.sort((a, b) => a.l - b.l).forEach((item, index) => {
      const width = item.r - item.l, long = width > 110;
      item.g = OPEN.test(item.it.shape) ? 0 : (long ? 60 : width) - 16;
      item.room = Math.min(300, long ? width - 64 : 300, (line[index + 1]?.l ?? px) - (item.g ? item.l + item.g + 18 : item.r));
    });
    return [...lines.flat(), ...groups].sort((a, b) => a.l - b.l || a.y - b.y);
  };
  const cell = (item) => {
    const { it, many, l, r, y, room, n, held, g } = item, whole = it.end - it.start + 1, text = many ? `${held ? '+' : ''}${n.toLocaleString(locale)}` : room > 54 ? it.title : '';
    const said = many ? t('many', { n, w: it.words ?? stretch(it.start, it.end), t: it.title }) : [it.title, it.words, it.core && t('core'), t(it.kind), t(it.status), it.retracted && t('retracted'), it.revision > 1 && t('corrected'), t('sources', { n: it.sources })].filter(Boolean).join('. ');
    const node = make('div', { role: 'gridcell', tabindex: '-1', part: many ? 'many' : `event ${it.kind}`, 'data-event-id': !many && it.id, 'aria-label': said, 'aria-selected': `${!many && it.id === state.selected}`,
      class: many ? 'e many' : `e kind-${it.kind} ${it.core ? 'core' : `shape-${it.shape}`} ${/d[ie][sn][pi]|cancel/.test(it.status) ? 'unsure' : ''} ${it.retracted ? 'gone' : ''}` }, ...text ? [make('span', { dir: 'auto', lang: it.lang }, text)] : []);
    node.item = item;
    if (it.core) {
      const part = (it.core[1] - it.core[0] + 1) / whole, at = (it.core[0] - it.start) / whole / (1 - part || 1);
      vars(node, { cw: `${part * 100}%`, cx: `${(rtl ? 1 - at : at) * 100}%` });
    }
    return vars(node, { x: l, b: r - l, y, m: room, g: many ? 0 : g });
  };
  /** Arcs from an event to those it bears on, and a dotted line through its own places in several lanes. */
  const arcs = (id) => {
    if (!id) { ui.arcs.replaceChildren(); ui.arcs.setAttribute('hidden', ''); return; }
    const frame = ui.chart.getBoundingClientRect(), paths = [];
    const spots = (of) => cells().filter(({ item }) => (item.many ? item.held?.some((each) => each.id === of) : item.it.id === of)).map((each) => { const box = each.getBoundingClientRect(); return [(OPEN.test(each.className) !== rtl ? box.right - 8 : box.left + 8) - frame.left, box.top + 12 - frame.top]; });
    const mine = spots(id), links = mine[0] ? data.events.flatMap((one) => one.relations.map(({ type, event }) => [type, one.id, event])) : [];
    if (mine[1]) paths.push(draw({ class: 'copy', d: `M${mine.join('L')}` }));
    for (const [type, from, to] of links) if (from === id || to === id) {
      const [x, y] = mine[0], to_ = spots(from === id ? to : from).sort((one, other) => Math.hypot(one[0] - x, one[1] - y) - Math.hypot(other[0] - x, other[1] - y))[0];
      if (to_) paths.push(draw({ class: /cont|den/.test(type) && 'against', d: `M${x},${y}c0,-40 0,-40 ${to_[0] - x},${to_[1] - y}m-9,0a9,9 0 1 0 18,0a9,9 0 1 0 -18,0` }));
    }
    ui.arcs.replaceChildren(...paths);
    ui.arcs.toggleAttribute('hidden', !paths[0]);
  };

  // ---- focus and keys

  const cells = () => [...ui.grid.querySelectorAll('.e')];
  /** One tab stop; and after a drawing the focus where it was: the event, else its count, else what is nearest. */
  const rove = (focused) => {
    const found = cells(), item = focused ?? roving, id = item?.aim ?? item?.it.id, same = (each) => each.item.it.id === id;
    let to = found.find((each) => each.item === item) ?? ((item?.many && !item.aim && found.find((each) => same(each) && each.item.many)) || found.find((each) => same(each) && !each.item.many));
    if (!to && (to = found.find((each) => same(each) || each.item.held?.some((one) => one.id === id)))) to.item.aim = id;
    if (!to && focused) { to = nearest(found, focused.l); say(t('moved')); }
    to ??= found[0];
    for (const each of found) each.tabIndex = each === to ? 0 : -1;
    roving = to?.item;
    if (focused && root.activeElement !== to) (to ?? ui.view).focus({ preventScroll: true });
  };
  const shut = () => {
    const id = state.selected, from = cells().find((each) => each.dataset.eventId === id) ?? cells().find((each) => !each.tabIndex), item = [...ui.list.querySelectorAll('article')].find((each) => each.dataset.id === id);
    ui.panel.hidden = true;
    set({ selected: null });
    (drawn && from || item?.querySelector('a') || ui.view).focus();
  };
  const act = ({ item: { it, many, held } }, enter) => {
    if (many && !held) look(it.start - LEAST, it.end + LEAST);
    else if (many) { set({ selected: null }); show(held.map((each) => make('p', {}, make('a', { href: address(`../events/${each.id}`, {}, true), dir: 'auto' }, each.title), ` · ${each.words ?? each.count}`))); } else set({ selected: it.id });
    if (enter) ui.panel.focus();
  };
  const key = (event) => {
    const on = event.target.closest('.row .e'), row = on && [...on.parentNode.querySelectorAll('.e')], at = row?.indexOf(on), [fwd, back] = rtl ? ['ArrowLeft', 'ArrowRight'] : ['ArrowRight', 'ArrowLeft'], go = (to) => to?.focus();
    if (event.key === 'Escape' && !ui.panel.hidden) shut();
    if (!on || event.altKey || event.metaKey) return;
    const beside = (way) => { let next = on.parentNode; do next = next[way]; while (next && !next.querySelector('.e')); go(next && nearest([...next.querySelectorAll('.e')], on.item.l)); };
    const every = event.ctrlKey ? cells().sort((a, b) => a.item.l - b.item.l) : row, { start, end: until } = on.item.it, middle = clamp(((start ?? until) + (until ?? start)) / 2 || 0, ...win);
    const does = { [fwd]: () => go(row[at + 1]), [back]: () => go(row[at - 1]), ArrowDown: () => beside('nextSibling'), ArrowUp: () => beside('previousSibling'), Home: () => go(every[0]), End: () => go(every.at(-1)), PageUp: () => pan(-.6), PageDown: () => pan(.6),
      '+': () => zoom(.5, middle), '-': () => zoom(2, middle), 0: fit, Enter: () => act(on, true), ' ': () => act(on, true), '[': () => step(-1), ']': () => step(1), '?': () => { ui.key.open ^= 1; } }[event.key];
    if (!does || (event.ctrlKey && !/Home|End/.test(event.key))) return;
    event.preventDefault();
    does();
  };

  // ---- the list and the panel

  /** The page's own list stays as long as it tells the truth: until the reader changes what is asked. */
  const list = async (href) => {
    ui.slot.hidden = !given || came || state['as-of'] || state['reported-by'] || (state.datetime || '') !== (attribute('datetime') || '');
    ui.list.hidden = !ui.slot.hidden;
    mark();
    if (ui.list.hidden) return;
    const { range } = data, whole = !win || (win[0] <= range.start && win[1] >= range.end), base = href ?? address('../', { limit: PAGE, datetime: !whole && interval(...win), ...clocks() });
    const found = await page(base), past = found.querySelector('.past');
    ui.slot.before(ui.panel);
    ui.list.replaceChildren(...[...found.querySelectorAll('main .group,.pager')].map((each) => make('div', { class: each.className }, ...copy(each, base, level - 1))));
    if (past) ui.past.replaceChildren(...copy(past, base, 0));
    ui.past.hidden = !past;
    if (!ui.key.firstChild) ui.key.append(...copy(found.querySelector('.filters') ?? ui.key, base, 0));
    if (href) { say(t('events')); ui.list.querySelector('[rel]').focus(); }
    mark();
  };
  const mark = () => {
    let here;
    for (const each of ui.list.querySelectorAll('article')) if (each.toggleAttribute('aria-current', each.dataset.id === state.selected)) here = each;
    if (here && !drawn) here.append(ui.panel); else ui.slot.before(ui.panel);
  };
  const show = (kids) => { ui.panel.replaceChildren(make('button', { id: 'close', type: 'button', 'aria-label': t('close'), 'data-s': '×' }), ...kids); ui.panel.hidden = false; };
  const open = async () => {
    const id = state.selected, url = id && address(`../events/${id}`, clocks(), true);
    for (const each of cells()) each.ariaSelected = `${each.dataset.eventId === id}`;
    if (drawn) arcs(id);
    mark();
    ui.panel.hidden = !id;
    if (!id) return;
    show([]);
    const found = await page(url).catch((error) => make('p', {}, make('main', {}, t('failed', { w: error.message }))));
    if (state.selected === id) show([...copy(found.querySelector('main'), url, level), make('a', { href: url, target: '_blank' }, url.pathname)]);
  };

  // ---- live

  /** Listen from where the answer ends; not while the past is shown, nor while paused. */
  const listen = () => {
    const live = attribute('live'), off = live === null || data.pinned || state['reported-by'];
    ui.pause.hidden = off;
    ui.pause.textContent = t(paused ? 'resume' : 'pause');
    stream?.close();
    if (off || paused) return;
    stream = new EventSource(address(live || 'stream', { last_event_id: last ?? data.position }));
    for (const name of ['added', 'revised', 'retracted', 'merged', 'removed', 'erased', 'reset']) stream.addEventListener(name, (message) => {
      const { event } = JSON.parse(message.data);
      last = message.lastEventId;
      emit('live', { change: name, event });
      heard.add(event);
      if (name === 'erased') take();
      ui.new.textContent = t(heard.has(undefined) ? 'reset' : 'new', { n: heard.size });
      ui.new.hidden = !heard.size;
      if (Date.now() - spoke > QUIET) { spoke = Date.now(); say(ui.new.textContent); }
    });
  };
  /** Take in what was heard, where the reader is: the window stays. */
  const take = () => {
    if (root.activeElement === ui.new) ui.fit.focus();
    heard.clear();
    ui.new.hidden = came = true;
    load();
  };

  const clicks = { earlier: () => pan(-.6), later: () => pan(.6), in: () => zoom(.5), out: () => zoom(2), fit, new: take, close: shut, again: load, view: () => set({ view: drawn ? 'list' : 'chart' }), pause: () => { paused = !paused; listen(); } };
  const changes = { lanes: (value) => set({ lanes: value }), step: (value) => step(value - data.position), by: (value) => set({ 'reported-by': value }), at: (value) => set({ 'as-of': value }) };
  const on = (target, name, does) => target.addEventListener(name, does, { signal: end.signal });
  on(root, 'keydown', key);
  on(root, 'click', (event) => {
    const a = event.target.closest('a'), at = event.target.closest('.row .e'), id = /\/events\/([\w-]+)(\?|$)/.exec(a?.href)?.[1], past = a?.closest('#past');
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    if (a?.rel === 'next' || a?.rel === 'prev' || past || (id && id !== state.selected)) event.preventDefault();
    if (past) { set({ 'as-of': null, 'reported-by': null }); ui.view.focus(); } else if (id) set({ selected: id }); else if (a?.rel === 'next' || a?.rel === 'prev') list(a.href);
    if (at) { rove(at.item); act(at); }
    clicks[event.target.id]?.();
  });
  on(root, 'focusin', ({ target }) => { if (target.item) rove(target.item); });
  on(root, 'pointerover', ({ target, pointerType }) => { if (drawn && pointerType === 'mouse') arcs(target.closest('.row .e')?.dataset.eventId ?? state.selected); });
  on(root, 'input', ({ target }) => {
    const [c, d] = win ? spanned() : [], second = c + target.value / 1000 * (d - c);
    if (target === ui.start) look(Math.min(second, win[1] - LEAST), win[1]);
    if (target === ui.end) look(win[0], Math.max(second, win[0] + LEAST));
  });
  on(root, 'change', ({ target }) => {
    const [a, b] = [ui.from, ui.to].map((each) => Date.parse(each.value) / 1000);
    changes[target.id]?.(target.value);
    if ((target === ui.from || target === ui.to) && b >= a) look(a, b + DAY - 1);
  });
  on(window, 'hashchange', () => { const was = state, is = wanted(); state = was; set(is); });
  const watch = new ResizeObserver(() => size());
  watch.observe(ui.root);
  wanted();
  load();
  if (state.selected) open();
  return { set, end: () => { end.abort(); stop.abort(); stream?.close(); watch.disconnect(); clearTimeout(timer); } };
};

customElements.get('timeline-view') ?? customElements.define('timeline-view', class extends HTMLElement {
  static observedAttributes = ['src', 'label', 'lang', 'dir', 'tz', 'max-lanes', 'heading-level', 'live', ...STATE];
  #runs;
  connectedCallback() {
    if (!this.shadowRoot) this.attachShadow({ mode: 'open' }).adoptedStyleSheets = [SHEET];
    this.#runs = run(this, this.shadowRoot);
  }
  disconnectedCallback() { this.#runs.end(); this.#runs = null; }
  attributeChangedCallback(name, was, is) {
    if (!this.#runs || was === is) return;
    if (STATE.includes(name)) this.#runs.set({ [name]: is }); else { this.#runs.end(); this.connectedCallback(); }
  }
});
