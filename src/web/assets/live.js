// Renews the page every two seconds, in place: what did not change stays, the keyboard's focus too. Says new events aloud.
"use strict";
const EVERY_MS = 2000;
const link = document.getElementById("link");
let newest = document.querySelector(".event")?.dataset.key;

// Makes `now` what `next` is. Elements with a key are known by it, so that a new event moves the others and renews none.
function become(now, next) {
  for (const { name } of [...now.attributes]) if (!next.hasAttribute(name)) now.removeAttribute(name);
  for (const { name, value } of next.attributes) if (now.getAttribute(name) !== value) now.setAttribute(name, value);
  const keyed = new Map([...now.children].map((it) => [it.dataset.key, it]));
  let place = now.firstChild;
  for (const want of [...next.childNodes]) {
    const key = want.dataset?.key;
    const have = key ? keyed.get(key) : place;
    if (!have || have.nodeName !== want.nodeName || have.dataset?.key !== key) {
      now.insertBefore(want, place);
      continue;
    }
    if (have === place) place = place.nextSibling;
    else now.insertBefore(have, place);
    if (have.nodeType === Node.ELEMENT_NODE) become(have, want);
    else if (have.nodeValue !== want.nodeValue) have.nodeValue = want.nodeValue;
  }
  while (place) {
    const gone = place;
    place = place.nextSibling;
    gone.remove();
  }
}

function sayNewest() {
  const first = document.querySelector(".event");
  if (!first || first.dataset.key === newest) return;
  newest = first.dataset.key;
  document.getElementById("said").textContent = first.querySelector(".picture img")?.alt || first.querySelector(".name")?.textContent || "";
}

class LoggedOut extends Error {}

function askToLogIn() {
  if (link.querySelector("a")) return;
  const way = document.createElement("a");
  way.href = "/login?to=/";
  way.textContent = "logged out: log in";
  link.replaceChildren(way);
}

async function renew() {
  if (!document.hidden) {
    try {
      const answer = await fetch("/", { cache: "no-store" });
      if (answer.status === 401) throw new LoggedOut();
      const next = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("live");
      if (!answer.ok || !next) throw new Error(answer.statusText);
      become(document.getElementById("live"), next);
      sayNewest();
      link.textContent = "live";
    } catch (error) {
      // The daemon may be starting again, or they log in elsewhere: the next try tells.
      if (error instanceof LoggedOut) askToLogIn();
      else link.textContent = "no answer";
    }
    link.classList.toggle("lost", link.textContent !== "live");
  }
  setTimeout(renew, EVERY_MS);
}
setTimeout(renew, EVERY_MS);
