// What <timeline-view> needs only once it is used: French, relations as arcs, changes as they happen, dates and clocks.
export const FRENCH = `title|Chronologie
tools|Vue
earlier|Plus tôt
later|Plus tard
in|Agrandir
out|Réduire
fit|Toutes les dates
lanes|Lignes
actor|par acteur
topic|par sujet
place|par lieu
kind|par nature
none|une seule
chart|Graphique
list|Liste seule
start|Début de la fenêtre
end|Fin de la fenêtre
span|Évènements, {a} à {b}, surtout vers {c}
count|{k} évènements sur {n}, {w}
undated|{n} sans date
known|{n} connus aujourd’hui
clocks|Dates et horloges
Happened from|Survenu du
to|au
Published by|Publié au plus tard le
Recorded by|Enregistré au plus tard le
State of the log|État du registre
occurrence|fait
statement|déclaration
plan|projet
reported|rapporté
confirmed|confirmé
disputed|contesté
denied|démenti
planned|prévu
cancelled|annulé
retracted|retiré
corrected|corrigé
core|cœur certain, bouts incertains
sources|sources : {n}
many|{n} évènements, {w}, dont : {t}
details|Détails
close|Fermer
events|Évènements
other|Autres
more|et {n} autres lignes
empty|Aucun évènement ne répond à cette question.
failed|La chronologie n’a pas pu être chargée : {w}
again|Réessayer
{n} new events|{n} nouveautés
Much has changed|Beaucoup a changé
Pause live updates|Suspendre le direct
Resume live updates|Reprendre le direct
moved|Hors de vue ; voici le plus proche.`;

const DAY = 86400, QUIET = 1e4;

// Arcs from an event to those it bears on, and a dotted line through its own places in several lanes.
export const arcs = (id, cells, events, ui, draw, rtl) => {
  // Nobody points at anything any more: this came too late.
  if (ui.arcs.hasAttribute('hidden')) return;
  const frame = ui.chart.getBoundingClientRect(), paths = [];
  const spots = of => cells.filter(({ item: { it, many, held } }) => (many ? held?.some(each => each.id === of) : it.id === of)).map(cell => {
    const box = cell.getBoundingClientRect();
    return [(/until|before/.test(cell.className) !== rtl ? box.right - 8 : box.left + 8) - frame.left, box.top + 12 - frame.top];
  });
  const mine = spots(id), [x, y] = mine[0] ?? [];
  if (mine[1]) paths.push(draw({ class: 'copy', d: `M${mine.join('L')}` }));
  if (mine[0]) for (const one of events) for (const { type, event } of one.relations) if (one.id === id || event === id) {
    const [to] = spots(one.id === id ? event : one.id).map(([a, b]) => [a - x, b - y]).sort((a, b) => Math.hypot(...a) - Math.hypot(...b));
    if (to) paths.push(draw({ class: /cont|den/.test(type) && 'against', d: `M${x},${y}c0,-40 0,-40 ${to}m-9,0a9,9 0 1 0 18,0a9,9 0 1 0 -18,0` }));
  }
  ui.arcs.replaceChildren(...paths);
  ui.arcs.toggleAttribute('hidden', !paths[0]);
};

// Listen unless that is paused, and tell each change; what is said aloud is said once in ten seconds, whatever comes.
export const hear = (address, paused, heard, ui, t, say, tell) => {
  ui.pause.hidden = false;
  ui.pause.textContent = t(paused ? 'Resume live updates' : 'Pause live updates');
  if (paused) return undefined;
  const stream = new EventSource(address);
  for (const change of ['added', 'revised', 'retracted', 'merged', 'removed', 'erased', 'reset']) stream.addEventListener(change, message => {
    const { event } = JSON.parse(message.data);
    heard.add(event);
    tell(change, event, message.lastEventId);
    ui.new.textContent = t(heard.has(undefined) ? 'Much has changed' : '{n} new events', { n: heard.size });
    ui.new.hidden = !heard.size;
    if (Date.now() - (heard.spoke ?? 0) > QUIET) { heard.spoke = Date.now(); say(ui.new.textContent); }
  });
  return stream;
};

// The controls of dates and clocks; gives what shows in them where the reader is.
export const clocks = (panel, t, set, step, look) => {
  const input = (type, id, name) => `<label>${t(name)}<input type=${type} id=${id}></label>`;
  // Our own words alone: no data is ever read as markup.
  panel.insertAdjacentHTML('beforeend', `<div class=bar>${input('date', 'from', 'Happened from')}${input('date', 'to', 'to')}${input('date', 'by', 'Published by')}${input('date', 'at', 'Recorded by')}${input('range', 'step', 'State of the log')}<output id=told></output></div>`);
  const [from, to, by, at, state] = panel.querySelectorAll('input');
  let position;
  state.min = 1;
  panel.addEventListener('change', ({ target }) => {
    if (target === state) step(state.value - position);
    else if (target === by) set({ 'reported-by': by.value });
    else if (target === at) set({ 'as-of': at.value });
    else {
      const [start, end] = [from, to].map(each => Date.parse(each.value) / 1000);
      if (end >= start) look(start, end + DAY - 1);
    }
  });
  return (asked, data, now, win) => {
    position = data.position;
    by.value = asked['reported-by'];
    at.value = /^\d{4}-/.test(asked['as-of']) ? asked['as-of'] : '';
    state.max = now.position;
    state.value = position;
    panel.querySelector('output').value = t('position', { n: position });
    [from.value, to.value] = (win ?? ['', '']).map(each => each.slice(0, 10));
  };
};
