// Answers on their way: sent in their order, each until it is acknowledged, and kept in the tab while nobody is logged in. What
// becomes of each is for review.js, which is loaded after this.
"use strict";
const MAX_WAIT_MS = 15000;
const at = (id) => document.getElementById(id);
const who = at("learning").dataset.who;
// Each person's own: whoever logs in next in this tab sends nothing of theirs.
const WAITING = `eyeshine.waiting.${who}`;
// [{ url, body, question, said }]. A tab that is loaded anew goes on with them.
let waiting = recalled();
let sending = false;
// What only pages of this login know.
let csrf = at("learning").dataset.csrf;
// Nobody is logged in any more, or somebody else: answers wait.
let out = false;
let leaving = false;

function trouble(text) {
  if (!out) at("trouble").textContent = text;
}

// Says that nothing is saved until they are logged in again; what waits stays here.
function loggedOut(why) {
  out = true;
  const link = document.createElement("a");
  link.href = `/login?to=${encodeURIComponent(location.pathname + location.search)}`;
  link.textContent = `Log in as ${who}`;
  link.addEventListener("click", () => (leaving = true));
  if (!at("trouble").textContent.startsWith(why)) at("trouble").replaceChildren(`${why} Answers wait in this tab until you log in again. `, link);
  saving();
}

function recalled() {
  try {
    return JSON.parse(sessionStorage.getItem(WAITING) || "[]");
  } catch {
    return [];
  }
}

function remember() {
  try {
    sessionStorage.setItem(WAITING, JSON.stringify(waiting));
    return true;
  } catch {
    // Then they wait until the page is left.
    return false;
  }
}

function saving() {
  remember();
  const lost = waiting.length && (out || sending === "again");
  const why = out ? "for you to log in" : "trying again";
  const word = lost ? `not saved yet: ${waiting.length} wait, ${why}` : waiting.length ? "saving" : "saved";
  at("saving").textContent = word;
  at("saving").className = lost ? "lost" : waiting.length ? "going" : "";
}

// The same person, perhaps by another login: what waited goes on its way.
function loggedIn(now) {
  csrf = now;
  if (!out) return;
  out = false;
  trouble("");
  send();
}

function wait(ms) {
  return new Promise((then) => setTimeout(then, ms));
}

// Sends what waits, one after the other: an undo must not overtake what it takes back.
async function send() {
  if (sending) return;
  if (out) return saving();
  let pause = 500;
  while (waiting.length) {
    sending ||= "now";
    saving();
    const it = waiting[0];
    let answer;
    try {
      const head = { "Content-Type": "application/x-www-form-urlencoded", Accept: "application/json" };
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
    const told = await answer.json().catch(() => ({}));
    if (answer.status === 401 || told.reason === "csrf") {
      sending = false;
      return loggedOut("You are not logged in any more.");
    }
    waiting.shift();
    if (!answer.ok) refused(it, told.error || answer.statusText);
    else await acknowledged(it, told);
  }
  sending = false;
  saving();
  refill();
}

addEventListener("beforeunload", (event) => {
  if (waiting.length && !(leaving && remember())) event.preventDefault();
});
