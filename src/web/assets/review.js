// Answers by keys, one picture after the other. The forms of the page do the same without this; here they are sent in the
// background, in their order and each until it is acknowledged, while the next question, fetched before, is shown at once.
"use strict";
const AHEAD = 6;
const MAX_WAIT_MS = 15000;
const LEARN_EVERY_MS = 2000;
const WAITING = "eyeshine.waiting";
const KEYS_ON = "eyeshine.keys";
const at = (id) => document.getElementById(id);
const place = at("card");
const task = place.dataset.task;

// Questions that are here and not answered, the shown one at `shown`; and those that are done or on their way.
let cards = [...place.querySelectorAll(".card")];
let shown = 0;
const done = new Set();
// Answers on their way: [{ url, body, question, said }]. A tab that is loaded anew goes on with them.
let waiting = JSON.parse(sessionStorage.getItem(WAITING) || "[]");
// Cards of answers on their way, should one be refused.
const sent = new Map();
let sending = false;
waiting.forEach((it) => it.question && done.add(it.question));

function say(text) {
  at("said").textContent = text;
}

function trouble(text) {
  at("trouble").textContent = text;
}

function saving() {
  sessionStorage.setItem(WAITING, JSON.stringify(waiting));
  const word = waiting.length ? (sending === "again" ? `not saved yet: ${waiting.length} wait, trying again` : "saving") : "saved";
  at("saving").textContent = word;
  at("saving").className = sending === "again" ? "lost" : waiting.length ? "going" : "";
}

// Shows a question, or that there is none.
function show(index) {
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
async function more(question) {
  const asked = question ? `question=${question}` : `n=${AHEAD + waiting.length}`;
  const answer = await fetch(`/review/cards?task=${encodeURIComponent(task)}&${asked}`, { cache: "no-store" });
  if (!answer.ok) throw new Error(answer.statusText);
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const classes = page.getElementById("classes");
  if (classes.textContent !== at("classes").textContent) at("classes").replaceWith(classes);
  at("progress").replaceWith(page.getElementById("progress"));
  const known = new Set(cards.map((it) => it.dataset.question));
  const fresh = [...page.querySelectorAll(".card")].map((it) => document.adoptNode(it));
  return fresh.filter((it) => !known.has(it.dataset.question) && (question || !done.has(it.dataset.question)));
}

function refill() {
  if (cards.length >= AHEAD) return;
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

function wait(ms) {
  return new Promise((then) => setTimeout(then, ms));
}

// Sends what waits, one after the other: an undo must not overtake what it takes back.
async function send() {
  if (sending) return;
  let pause = 500;
  while (waiting.length) {
    sending ||= "now";
    saving();
    const it = waiting[0];
    let answer;
    try {
      const head = { "Content-Type": "application/x-www-form-urlencoded", Accept: "application/json" };
      const csrf = new URLSearchParams(it.body).get("csrf");
      if (csrf) head["X-Csrf-Token"] = csrf;
      answer = await fetch(it.url, { method: "POST", headers: head, body: it.body });
    } catch {
      answer = null;
    }
    if (!answer || answer.status >= 500 || answer.status === 429 || answer.status === 408) {
      // The same key again changes nothing, should it have arrived.
      sending = "again";
      saving();
      await wait(pause);
      pause = Math.min(2 * pause, MAX_WAIT_MS);
      continue;
    }
    pause = 500;
    sending = "now";
    waiting.shift();
    const told = await answer.json().catch(() => ({}));
    if (!answer.ok) refused(it, told.error || answer.statusText);
    else await acknowledged(it, told);
  }
  sending = false;
  saving();
  refill();
}

function refused(it, why) {
  done.delete(it.question);
  const card = sent.get(it.question);
  sent.delete(it.question);
  if (card) {
    cards.unshift(card);
    show(0);
  }
  trouble(`Not saved: ${why}`);
}

async function acknowledged(it, told) {
  sent.delete(it.question);
  if (told.progress) {
    at("progress").textContent = told.progress;
    say(`${it.said}. ${told.progress}`);
  }
  if (it.url !== "/review/undo") return;
  // Where no card comes back nothing else would show it.
  if (!told.question) return trouble(told.taken_back || "There is nothing to undo");
  done.delete(told.question);
  try {
    // Whoever was fetching questions meanwhile may have been lent it, too.
    const fresh = await more(told.question);
    const again = [...fresh, ...cards].find((it) => it.dataset.question === told.question);
    if (again) cards = [again, ...cards.filter((it) => it !== again)];
    show(0);
    say(told.taken_back);
  } catch {
    location.reload();
  }
}

function submit(form, button) {
  if (form.id === "named" && !form.reportValidity()) return;
  const body = new URLSearchParams(new FormData(form));
  if (button?.name) body.append(button.name, button.value);
  const url = new URL(button?.getAttribute("formaction") || form.getAttribute("action"), location).pathname;
  trouble("");
  const card = form.closest(".card");
  const question = card?.dataset.question;
  const what = body.getAll("class").concat(body.getAll("species")).filter((it) => it).join(" and ");
  const said = url === "/review/undo" ? "Taken back" : what || "Skipped";
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

document.addEventListener("click", (event) => {
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
  const boxes = place.querySelectorAll(".only");
  boxes.forEach((it) => (it.checked = !it.checked));
  if (boxes.length) say(boxes[0].checked ? "Of this frame alone" : "Of the whole event");
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

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey || event.isComposing) return;
  const from = event.target;
  if (event.key === "Escape" && from.matches("input, select")) return place.querySelector("h2")?.focus();
  if (!keys.checked || from.matches("input:not([type=checkbox]), select, textarea")) return;
  const arrow = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (arrow) event.shiftKey ? question(arrow) : frame(arrow);
  else if (event.key === "/") place.querySelector("#search")?.focus();
  else if (event.key === "?") help();
  else if (event.key === "a") scope();
  else if (event.key === "c") otherView();
  // What has the focus is pressed by Enter as everywhere.
  else if (event.key === "Enter" && from.closest("a, button, summary, input")) return;
  else {
    const button = [...document.querySelectorAll("main [data-key]")].find((it) => it.dataset.key === event.key);
    if (!button?.form || !button.checkVisibility()) return;
    // One press is one answer, however long it lasts.
    if (!event.repeat) submit(button.form, button);
  }
  event.preventDefault();
});

// What becomes of the answers; and, where none is left, whether there are further questions.
async function learn() {
  if (!document.hidden) {
    try {
      const answer = await fetch(`/review/learning?task=${encodeURIComponent(task)}`, { cache: "no-store" });
      if (!answer.ok) throw new Error(answer.statusText);
      const next = new DOMParser().parseFromString(await answer.text(), "text/html");
      Object.assign(at("learning").dataset, next.getElementById("learning").dataset);
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

addEventListener("beforeunload", (event) => {
  if (waiting.length) event.preventDefault();
});

// What was answered before the page was loaded anew is on its way.
cards = cards.filter((it) => !done.has(it.dataset.question));
if (!cards.length && waiting.length) show(0);
saving();
if (waiting.length) send();
refill();
