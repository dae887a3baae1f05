// The editor: signs a person in, follows the address, shows a view. It talks to the API of this server only.
import { address, announce, button, focusOn, h, t, unique } from "./edit-dom.js";
import { Problem, comeBack, signIn, signOut } from "./edit-api.js";
import { dropDrafts } from "./edit-save.js";
import { actorView, eventView, startView } from "./edit-views.js";

const app = document.getElementById("edit_app");
const bar = h("div", { class: "session" });
const again = h("div", { class: "again" });
const stage = h("div", { class: "stage" });
const site = document.title;
const session = { grant: null, again: signInAgain };
let view = {};
let turn = 0;

// ------------------------------------------------------------------------------------------- signing in

/** Make the form that asks for a token; `then` is called with what it allows. It is never part of an address. */
function signInForm(then, level) {
  const id = unique("token");
  const error = h("span", { class: "error", id: `${id}_error`, hidden: true });
  const token = h("input", {
    type: "password",
    id,
    autocomplete: "off",
    autocapitalize: "none",
    spellcheck: "false",
    "aria-required": "true",
    "aria-describedby": `${id}_hint ${id}_error`,
    class: "code",
  });
  const keep = h("input", { type: "checkbox", id: `${id}_keep` });
  const refuse = (words) => {
    error.replaceChildren(words);
    error.hidden = false;
    token.setAttribute("aria-invalid", "true");
    token.focus();
  };
  const send = async (event) => {
    event.preventDefault();
    const secret = token.value.trim();
    if (!secret) return refuse(t("fault-token-none"));
    try {
      const grant = await signIn(secret, keep.checked);
      if (!grant.scopes.includes("write"))
        return refuse(t("fault-token-reads", { name: grant.name, scopes: grant.scopes.join(", ") }));
      token.value = "";
      return then(grant);
    } catch (problem) {
      return refuse(problem instanceof Problem && problem.status === 401 ? t("fault-token") : problem.message);
    }
  };
  return h(
    "form",
    { class: "box sign-in", novalidate: true, onsubmit: send },
    h(level, {}, t("sign-in")),
    h(
      "div",
      { class: "field" },
      h("label", { for: id }, t("token")),
      h("span", { class: "hint", id: `${id}_hint` }, t("hint-token")),
      token,
      error,
    ),
    h("p", { class: "tick" }, keep, h("label", { for: keep.id }, t("keep-token"))),
    h("div", { class: "act" }, h("button", { class: "button primary" }, t("sign-in-do"))),
  );
}

function signedIn(grant) {
  session.grant = grant;
  const leave = () => {
    if (view.editor?.isDirty && !confirm(t("leave-dirty"))) return;
    signOut();
    dropDrafts();
    session.grant = null;
    bar.replaceChildren();
    again.replaceChildren();
    view = {};
    history.replaceState(null, "", address({}));
    render();
  };
  bar.replaceChildren(
    h("span", {}, t("signed-in", { name: grant.name })),
    h("a", { href: address({}) }, t("start")),
    button(t("sign-out"), leave, { class: "button small" }),
  );
}

/** Ask for a token where the one at hand is no longer good; what was typed stays, and the focus goes back. */
function signInAgain(from) {
  const form = signInForm((grant) => {
    signedIn(grant);
    again.replaceChildren();
    announce(t("signed-in-again"));
    focusOn(from?.isConnected ? from : stage);
  }, "h2");
  again.replaceChildren(h("p", { class: "faults" }, t("token-gone")), form);
  form.querySelector("input").focus();
}

// ------------------------------------------------------------------------------------------- following the address

async function render(notice = null) {
  if (!session.grant) return signInFirst();
  const asked = new URLSearchParams(location.search);
  const mine = (turn += 1);
  const found = await viewOf(asked, { go, session, notice }).catch(failed);
  if (mine !== turn) return undefined; // the person has gone on meanwhile
  view = found;
  document.title = view.title === t("edit") ? site : `${view.title} · ${site}`;
  stage.replaceChildren(view.element);
  focusOn(stage.querySelector(".saved") ?? stage.querySelector("h1"));
  scrollTo(0, 0);
  return undefined;
}

async function viewOf(asked, around) {
  if (asked.get("event")) return eventView({ ...around, id: asked.get("event") });
  if (asked.get("new") === "event") return eventView({ ...around, id: null });
  if (asked.get("actor")) return actorView({ ...around, id: asked.get("actor") });
  if (asked.get("new") === "actor") return actorView({ ...around, id: null });
  return { element: startView(around), title: t("edit") };
}

function signInFirst() {
  view = { title: t("edit") };
  const form = signInForm((grant) => {
    signedIn(grant);
    render();
  }, "h2");
  stage.replaceChildren(
    h("header", { class: "lead" }, h("h1", {}, t("edit")), h("p", { class: "tagline" }, t("edit-hint"))),
    form,
  );
  form.querySelector("input").focus();
}

function failed(error) {
  if (error instanceof Problem && error.status === 401) signInAgain(null);
  const words = error instanceof Problem ? h("span", { lang: "en" }, error.message) : error.message;
  const element = h(
    "div",
    {},
    h("header", { class: "lead" }, h("h1", {}, t("not-here"))),
    h("p", { class: "faults" }, words),
    h(
      "p",
      { class: "act" },
      button(t("retry"), () => render()),
      h("a", { href: address({}) }, t("start")),
    ),
  );
  return { element, title: t("not-here") };
}

async function go(url, { replace = false, notice = null } = {}) {
  if (view.editor?.isDirty && !view.editor.isKept && !confirm(t("leave-dirty"))) return;
  view.editor?.keepDraft();
  history[replace ? "replaceState" : "pushState"](null, "", url);
  await render(notice);
}

app.replaceChildren(bar, again, stage);
addEventListener("popstate", () => render());
addEventListener("beforeunload", (event) => {
  if (!view.editor?.isDirty) return;
  view.editor.keepDraft();
  event.preventDefault();
});
document.addEventListener("click", (event) => {
  const link = event.target.closest("a[href]");
  const plain =
    event.button === 0 &&
    !event.ctrlKey &&
    !event.metaKey &&
    !event.shiftKey &&
    !event.altKey &&
    !event.defaultPrevented;
  if (
    !link ||
    !plain ||
    !app.contains(link) ||
    link.origin !== location.origin ||
    link.pathname !== "/edit" ||
    link.hash
  )
    return;
  event.preventDefault();
  go(link.href);
});

const grant = await comeBack();
if (grant) signedIn(grant);
await render();
