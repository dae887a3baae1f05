// Checks the snapshot that a page shows: fetches its bundle from this server and lets verify.js look at it. Without
// this script the page says how to check it offline. Text goes in as text only.
const panel = document.getElementById("page_verify");
const verdict = panel.querySelector(".verdict");
const list = panel.querySelector(".checks");
const ICONS = { ok: "confirmed", failed: "denied", unknown: "unclear" };

function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  svg.setAttribute("focusable", "false");
  use.setAttribute("href", `#i_${name}`);
  svg.append(use);
  return svg;
}

/** Say the outcome; what is added to it comes from the verifier, which writes English. */
function say(state, words, more = "") {
  const detail = document.createElement("span");
  detail.lang = "en";
  detail.textContent = more;
  verdict.dataset.state = state;
  const shown = more ? [`${words}${verdict.dataset.colon} `, detail] : [words];
  verdict.replaceChildren(...(ICONS[state] ? [icon(ICONS[state])] : []), ...shown);
}

function show(check) {
  const item = list.querySelector(`[data-check="${check.name}"]`);
  item.dataset.state = check.state;
  item.querySelector(".state").replaceChildren(icon(ICONS[check.state]), list.dataset[check.state]);
  item.querySelector(".proves").hidden = check.state !== "ok";
  item.querySelector(".found").textContent = check.detail;
}

function conclude(report) {
  const made = new Set(report.checks.map((check) => check.name));
  for (const item of list.querySelectorAll("[data-check]")) item.hidden = !made.has(item.dataset.check);
  report.checks.forEach(show);
  list.hidden = false;
  list.open = report.verdict === "failed" || matchMedia("(min-width: 64rem), print").matches;
  panel.querySelector(".trust").hidden = false;
  const failed = report.checks.find((check) => check.state === "failed");
  const open = report.checks.filter((check) => check.state === "unknown").length;
  if (failed) {
    const name = list.querySelector(`[data-check="${failed.name}"] strong`).textContent;
    say("failed", `${verdict.dataset.failed} (${name})`, failed.detail);
  } else if (open) {
    const more = open === 1 ? verdict.dataset.openOne : verdict.dataset.openMany.replace("#", open);
    say("ok", `${verdict.dataset.ok}; ${more}`);
  } else say("ok", verdict.dataset.ok);
}

try {
  say("busy", verdict.dataset.busy);
  const { verify } = await import(panel.dataset.verifier);
  const response = await fetch(panel.dataset.bundle, { headers: { Accept: "application/vnd.timeline.bundle+json" } });
  if (!response.ok) throw new Error(`the bundle could not be fetched: ${response.status}`);
  conclude(await verify(await response.arrayBuffer(), { id: panel.dataset.id }));
} catch (error) {
  say("unknown", verdict.dataset.impossible, error.message);
}
