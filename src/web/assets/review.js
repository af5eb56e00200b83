// Answers by keys, one picture after the other. The forms of the page do the same without this; here they are sent in the
// background (answers.js), while the next question, fetched before, is shown at once.
"use strict";
const AHEAD = 6;
const LEARN_EVERY_MS = 2000;
// A second click or tap that comes so soon is of the same press; so long nobody has yet seen that another card came unasked.
const PRESS_MS = 300;
const SEEN_MS = 500;
const MAX_SPECIES = 20;
const KEYS_ON = "eyeshine.keys";
const place = at("card");
const task = place.dataset.task;
const LEASE_MS = 1000 * place.dataset.leaseSecs;
// What came by its address is shown whoever it is lent to.
const linked = new URLSearchParams(location.search).get("question");

// Questions that are here and not answered, the shown one at `shown`; and those that are done or on their way.
let cards = [...place.querySelectorAll(".card")];
let shown = 0;
const done = new Set();
// When the cards were lent, and from when on keys and clicks are meant for what is shown.
let lentAt = Date.now();
let keysFrom = 0;
let clicksFrom = 0;
// The page is about to be left: nothing more is lent.
let going = false;
// Cards of answers on their way, should one be refused.
const sent = new Map();
waiting.forEach((it) => it.question && done.add(it.question));

function say(text) {
  at("said").textContent = text;
}

// Shows a question, or that there is none. `unasked`: nobody pressed anything for it.
function show(index, unasked) {
  const before = place.querySelector(".card");
  shown = Math.max(0, Math.min(index, cards.length - 1));
  const card = cards[shown];
  if (card) place.replaceChildren(card);
  else {
    // The last word only once every answer has arrived, and there is none that these made way for.
    const over = !fetching && !waiting.length;
    const none = document.createElement("p");
    none.id = over ? "none" : "fetching";
    none.className = "none";
    none.tabIndex = -1;
    none.textContent = over ? "Nothing to ask just now: new questions are chosen as events come in." : "Fetching the next question";
    place.replaceChildren(none);
  }
  at("choose").hidden = !card;
  // Enter is not to press the button that was pressed last.
  (card ? card.querySelector("h2") : place.firstChild).focus({ preventScroll: true });
  if (place.getBoundingClientRect().top < 0) place.scrollIntoView({ behavior: "instant" });
  if (before && before !== card) {
    clicksFrom = performance.now() + (unasked ? SEEN_MS : PRESS_MS);
    if (unasked) keysFrom = clicksFrom;
  }
  cards.slice(shown + 1).forEach(prefetch);
}

// The picture of a question that is to come: asked for now, there when it is shown.
function prefetch(card) {
  const big = card.querySelector("#big");
  if (big && !card.ahead) {
    card.ahead = new Image();
    card.ahead.src = big.getAttribute("src");
  }
}

// Fetches further questions, and what the buttons are now.
let fetching = null;
let refillAgain = false;

async function pageOf(path) {
  const answer = await fetch(path, { cache: "no-store" });
  if (answer.status === 401) loggedOut("You are not logged in any more.");
  if (!answer.ok) throw new Error(answer.statusText);
  return new DOMParser().parseFromString(await answer.text(), "text/html");
}

// A question, or all that are lent to this person, lent anew.
async function lent(question) {
  const [asked, began] = [question ? `question=${question}` : `n=${Math.max(AHEAD, cards.length) + waiting.length}`, Date.now()];
  const page = await pageOf(`/review/cards?task=${encodeURIComponent(task)}&${asked}`);
  if (!question) lentAt = began;
  const classes = page.getElementById("classes");
  if (classes.textContent !== at("classes").textContent) at("classes").replaceWith(classes);
  at("progress").replaceWith(page.getElementById("progress"));
  const all = [...page.querySelectorAll(".card")].map((it) => document.adoptNode(it));
  return all.filter((it) => question || !done.has(it.dataset.question));
}

async function more(question) {
  const fresh = await lent(question);
  const known = new Set(cards.map((it) => it.dataset.question));
  return fresh.filter((it) => !known.has(it.dataset.question));
}

function isStale(share) {
  return Date.now() - lentAt > share * LEASE_MS;
}

// Whoever was away may have lost what was lent to them: it is fetched anew, but for the card under their eyes, if it is theirs.
let renewing = null;
function renew() {
  renewing ||= lent()
    .then((fresh) => {
      const eyes = cards[shown];
      cards = fresh.map((it) => (it.dataset.question === eyes?.dataset.question ? eyes : it));
      if (eyes && eyes.dataset.question === linked && !cards.includes(eyes)) cards.unshift(eyes);
      if (cards.includes(eyes)) shown = cards.indexOf(eyes);
      else if (eyes || cards.length) show(0, true);
      if (eyes && !cards.includes(eyes)) trouble("Somebody else has the question that was here by now: this is another.");
    })
    .finally(() => (renewing = null));
  return renewing;
}

function refill() {
  if (cards.length >= AHEAD || out || going) return;
  if (fetching) {
    refillAgain = true;
    return;
  }
  fetching = more()
    .then((fresh) => {
      const none = cards.length === 0;
      cards.push(...fresh);
      fetching = null;
      // Who reads the last word is not called back to it.
      if (none) (fresh.length || !at("none")) && show(0);
      else cards.slice(shown + 1).forEach(prefetch);
    })
    // The next answer that is acknowledged asks again.
    .catch(() => {})
    .finally(() => {
      fetching = null;
      if (refillAgain) {
        refillAgain = false;
        refill();
      }
    });
}

function refused(it, why) {
  done.delete(it.question);
  const card = sent.get(it.question);
  sent.delete(it.question);
  const later = card && !bringBack(card);
  trouble(`Not saved: ${why}${later ? " That question comes next." : ""}`);
}

// Shows a card again, or after the one in which somebody is writing; whether it is shown.
function bringBack(card) {
  cards = cards.filter((it) => it !== card);
  const writing = place.contains(document.activeElement) && document.activeElement.matches("input:not([type=checkbox]), select");
  cards.splice(writing ? shown + 1 : 0, 0, card);
  if (!writing) show(0, true);
  return !writing;
}

async function acknowledged(it, told) {
  sent.delete(it.question);
  if (told.progress) {
    at("progress").textContent = told.progress;
    say(`${it.said}. ${told.progress}`);
  }
  if (told.replaced) trouble(`Your answer “${it.said}” replaced ${told.replaced.join(" and ")}.`);
  if (it.url !== "/review/undo") return;
  // Where no card comes back nothing else would show it.
  if (!told.question) return trouble(told.taken_back || "There is nothing to undo");
  done.delete(told.question);
  try {
    // Whoever was fetching questions meanwhile may have been lent it, too.
    const fresh = await more(told.question);
    const again = [...fresh, ...cards].find((it) => it.dataset.question === told.question);
    if (again) bringBack(again);
    say(told.taken_back);
  } catch {
    location.reload();
  }
}

// Whether a name is offered, or meant by one that is: a slip is told while its picture is still there.
function isOffered(input) {
  const typed = input.value.trim().toLowerCase();
  const names = [...input.list.options].flatMap((it) => [it.value, it.text]);
  const further = [...at("classes").querySelectorAll("[name=class]")].map((it) => it.value).concat(input.list.dataset.also.split(","));
  return !typed || names.concat(further).some((it) => it.toLowerCase() === typed);
}

// Whether a form says what can be meant; else it says what is wrong.
function isMeant(form, button) {
  if (form.id !== "answer" || button?.name === "skip") return true;
  if (button?.name === "class") return form.querySelector("[name=count]").reportValidity();
  const slip = !form.elements.new_name.checked && [...form.querySelectorAll("[name=species]")].find((it) => !isOffered(it));
  if (!slip) return true;
  const details = slip.closest("details");
  if (details) details.open = true;
  slip.setCustomValidity(`Nothing is called “${slip.value.trim()}” here so far: choose a name of the list, or tick that it is a new one.`);
  return slip.reportValidity();
}

document.addEventListener("input", (event) => {
  event.target.form?.querySelectorAll("[name=species]").forEach((it) => it.setCustomValidity(""));
});

function submit(form, button) {
  if (!isMeant(form, button)) return;
  const card = form.closest(".card");
  if (!card || !isStale(1) || out) return take(form, button, card);
  // Who cannot be asked is told by the answer.
  renew().catch(() => {}).then(() => cards.includes(card) && take(form, button, card));
}

function take(form, button, card) {
  const body = new URLSearchParams(new FormData(form));
  body.delete("csrf");
  if (button?.name) body.append(button.name, button.value);
  const url = new URL(button?.getAttribute("formaction") || form.getAttribute("action"), location).pathname;
  trouble("");
  const question = card?.dataset.question;
  const what = body.get("class") || body.getAll("species").filter((it) => it).join(" and ");
  const said = { "/review/undo": "Taken back", "/review/skip": "Skipped" }[url] || what;
  clicksFrom = performance.now() + PRESS_MS;
  going = false;
  if (card) {
    done.add(question);
    sent.set(question, card);
    cards.splice(cards.indexOf(card), 1);
    show(Math.min(shown, cards.length - 1));
  }
  waiting.push({ url, body: body.toString(), question, said });
  send();
  refill();
}

document.addEventListener("submit", (event) => {
  // To log out is no answer.
  if (!event.target.closest("main")) return;
  event.preventDefault();
  if (event.target.matches(".views")) return look(place.querySelector(`.frames [data-media="${event.submitter.value}"]`));
  submit(event.target, event.submitter);
});

// Another frame, or another part of it.
function look(link) {
  if (!link) return;
  const card = link.closest(".card");
  const big = card.querySelector("#big");
  big.src = `/media/${link.dataset.media}`;
  card.querySelector(".big").href = big.src;
  card.querySelectorAll(".frame-of").forEach((it) => (it.value = link.dataset.media));
  card.querySelectorAll(".frames a").forEach((it) => it.removeAttribute("aria-current"));
  link.setAttribute("aria-current", "true");
  card.querySelectorAll(".views button").forEach((it) => {
    const view = link.parentElement.querySelector(`[data-view="${it.dataset.view}"]`);
    it.disabled = !view;
    it.value = view?.dataset.media || "";
    it.setAttribute("aria-pressed", view === link);
  });
  say(link.textContent);
}

// The second click of a double click, and one that was meant for the card before, are no answer.
document.addEventListener(
  "click",
  (event) => {
    const form = event.target.closest("button")?.form;
    const soon = event.detail > 1 || (event.detail && performance.now() < clicksFrom);
    if (soon && form?.method === "post" && event.target.closest("button").type === "submit") event.preventDefault();
  },
  true,
);

document.addEventListener("click", (event) => {
  if (event.target.matches(".another")) return another(event.target);
  const link = event.target.closest(".frames a");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  look(link);
});

function frame(step) {
  const links = [...place.querySelectorAll(".frames li")];
  const now = links.findIndex((it) => it.querySelector("[aria-current]"));
  const next = links[now + step];
  if (!next) return;
  const view = links[now]?.querySelector("[aria-current]").dataset.view;
  look(next.querySelector(`[data-view="${view}"]`) || next.querySelector("a"));
}

function otherView() {
  const now = place.querySelector(".frames [aria-current]");
  look([...(now?.parentElement.children || [])].find((it) => it !== now));
}

function question(step) {
  if (!cards.length) return;
  show((shown + step + cards.length) % cards.length);
}

function scope() {
  const box = place.querySelector(".only");
  if (!box) return;
  box.checked = !box.checked;
  say(box.checked ? "Of this frame alone" : "Of the whole event");
}

// A further species: another row like the last.
function another(button) {
  const row = button.previousElementSibling.cloneNode(true);
  row.querySelectorAll("input, select").forEach((it) => (it.value = ""));
  row.querySelector("label").firstChild.nodeValue = "Further species";
  button.before(row);
  row.querySelector("input").focus();
  button.hidden = button.form.querySelectorAll("[name=species]").length >= MAX_SPECIES;
}

function help() {
  at("help").open = !at("help").open;
  if (at("help").open) at("help").querySelector("summary").focus();
}

const keys = at("keys-on");
try {
  keys.checked = localStorage.getItem(KEYS_ON) !== "off";
} catch {
  // Where nothing may be remembered they are on.
}
function keysChosen() {
  document.body.classList.toggle("no-keys", !keys.checked);
  try {
    localStorage.setItem(KEYS_ON, keys.checked ? "on" : "off");
  } catch {
    // Then it holds until the page is left.
  }
}
keys.addEventListener("change", keysChosen);
at("keys-choice").hidden = false;
keysChosen();
document.body.classList.add("scripted");

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey || event.isComposing) return;
  const from = event.target;
  // One press is one answer, however long it lasts.
  if (event.repeat && event.key === "Enter" && from.closest("button")) return event.preventDefault();
  if (event.key === "Escape" && from.matches("input, select")) return place.querySelector("h2")?.focus();
  if (!keys.checked || from.matches("input:not([type=checkbox]), select, textarea")) return;
  // Caps Lock changes no meaning.
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const arrow = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (arrow) event.shiftKey ? question(arrow) : frame(arrow);
  else if (key === "/") place.querySelector("#search")?.focus();
  else if (key === "?") help();
  else if (key === "a") scope();
  else if (key === "c") otherView();
  // What has the focus is pressed by Enter as everywhere.
  else if (key === "Enter" && from.closest("a, button, summary, input")) return;
  else {
    const button = [...document.querySelectorAll("main [data-key]")].find((it) => it.dataset.key === key);
    if (!button?.form || !button.getClientRects().length) return;
    if (!event.repeat && performance.now() >= keysFrom) submit(button.form, button);
  }
  event.preventDefault();
});

// What becomes of the answers; and, where none is left, whether there are further questions.
async function learn() {
  // Whoever was asked whether to leave has stayed.
  going = false;
  if (!document.hidden) {
    try {
      const next = await pageOf(`/review/learning?task=${encodeURIComponent(task)}`);
      const learning = next.getElementById("learning").dataset;
      Object.assign(at("learning").dataset, learning);
      if (learning.who === who) loggedIn(learning.csrf);
      else loggedOut(`${learning.who} is logged in by now, and no longer ${who}.`);
      for (const id of ["learning-state", "learning-named"]) {
        const now = next.getElementById(id);
        if (now.textContent !== at(id).textContent) at(id).replaceChildren(...now.childNodes);
      }
      if (!cards.length && !waiting.length) refill();
    } catch {
      // The daemon may be starting again: the next time tells.
    }
  }
  setTimeout(learn, LEARN_EVERY_MS);
}
setTimeout(learn, LEARN_EVERY_MS);

// Whoever leaves gives back what was lent to them; whoever comes back is lent it anew.
addEventListener("beforeunload", () => (going = true));
addEventListener("pagehide", () => {
  const head = csrf ? { "X-Csrf-Token": csrf } : {};
  for (const it of out ? [] : cards) {
    fetch(`/api/v1/queue/${it.dataset.question}/release`, { method: "POST", keepalive: true, headers: head }).catch(() => {});
  }
});
addEventListener("pageshow", (event) => {
  going = false;
  if (event.persisted) renew().catch(() => {});
});
document.addEventListener("visibilitychange", () => !document.hidden && isStale(0.5) && renew().catch(() => {}));

// What was answered before the page was loaded anew is on its way.
cards = cards.filter((it) => !done.has(it.dataset.question));
if (!cards.length && waiting.length) show(0);
saving();
if (waiting.length) send();
refill();
