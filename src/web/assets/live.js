// Renews the page every two seconds, and says new events aloud to those who listen.
"use strict";
let newest = document.querySelector(".event time")?.dateTime;
async function renew() {
  if (!document.hidden) {
    try {
      const answer = await fetch("/", { cache: "no-store" });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const [now, next] = [document.getElementById("live"), page.getElementById("live")];
      if (next && now.innerHTML !== next.innerHTML && !now.contains(document.activeElement)) now.replaceWith(next);
      const first = page.querySelector(".event");
      const at = first?.querySelector("time").dateTime;
      if (at && at !== newest) {
        newest = at;
        document.getElementById("said").textContent = first.querySelector("img")?.alt ?? "a new event";
      }
    } catch { /* The daemon may be starting again: the next try tells. */ }
  }
  setTimeout(renew, 2000);
}
setTimeout(renew, 2000);
