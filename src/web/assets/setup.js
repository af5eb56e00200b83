// Draws masks over a camera's picture: with the mouse, a finger, or the keyboard alone. What is drawn stands as numbers in the form,
// which is all that is sent; without this the numbers are written by hand. It also renews what a trial says.
"use strict";
const EVERY_MS = 1000;
const NEAR = 3;
const SVG = "http://www.w3.org/2000/svg";
const at = (id) => document.getElementById(id);
const picture = at("masks");
const lines = at("mask-lines");
let tool = "rectangle";
// Corners of what is being drawn, in percent; and where the pointer or the cross is.
let corners = [];
let cross = [50, 50];
let dragged = null;
let byKeys = false;
// The settings are no longer those with which the page came.
let differs = false;

const say = (text) => (at("said").textContent = text);
const round = (it) => Math.round(it * 10) / 10;
const inside = (it) => round(Math.min(100, Math.max(0, it)));
const rectangle = ([a, b], [c, d]) => [[a, b], [c, b], [c, d], [a, d]];
const text = (mask) => mask.map((it) => it.join(" ")).join(", ");
const inputs = () => [...lines.querySelectorAll("input")];

function shape(name, attributes, kind) {
  const it = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) it.setAttribute(key, value);
  if (kind) it.setAttribute("class", kind);
  picture.append(it);
}

// Shows the masks of the form, and what is being drawn.
function draw() {
  picture.replaceChildren();
  const masks = inputs().map((it) => it.value.trim()).filter(Boolean);
  for (const it of masks) if (/^[\d\s.,;]+$/.test(it)) shape("polygon", { points: it.replaceAll(";", ",") });
  picture.setAttribute("aria-label", `Picture with ${masks.length} masks; ${corners.length} corners set of the next. Cross at ${cross[0]}, ${cross[1]} percent.`);
  if (corners.length) {
    const open = tool === "rectangle" ? rectangle(corners[0], cross) : [...corners, cross];
    shape("polygon", { points: text(open) }, "open");
  }
  if (byKeys) {
    shape("path", { d: `M${cross[0]} 0V100M0 ${cross[1]}H100` }, "cross");
  }
  at("close").disabled = tool !== "polygon" || corners.length < 3;
  at("drop").disabled = !corners.length;
}

// Takes a mask down in the form: in the first empty line, and a new empty one follows.
function take(mask) {
  corners = [];
  const wide = new Set(mask.map((it) => it[0])).size > 1 && new Set(mask.map((it) => it[1])).size > 1;
  if (mask.length < 3 || !wide) {
    say("That is too small for a mask.");
    draw();
    return;
  }
  let free = inputs().find((it) => !it.value.trim());
  if (!free) free = further();
  free.value = text(mask);
  if (!inputs().some((it) => !it.value.trim())) further();
  say(`Mask taken down: ${free.value}`);
  changed();
}

function further() {
  const line = lines.lastElementChild.cloneNode(true);
  const input = line.querySelector("input");
  input.value = "";
  lines.append(line);
  return input;
}

function changed() {
  differs = true;
  at("save").textContent = "Save without trying";
  draw();
}

function place(event) {
  const box = picture.getBoundingClientRect();
  return [inside((100 * (event.clientX - box.x)) / box.width), inside((100 * (event.clientY - box.y)) / box.height)];
}

function corner(it) {
  if (tool === "rectangle") {
    if (!corners.length) corners = [it];
    else return take(rectangle(corners[0], it));
  } else {
    const first = corners[0];
    if (corners.length > 2 && Math.hypot(first[0] - it[0], first[1] - it[1]) < NEAR) return take(corners);
    corners.push(it);
  }
  say(`Corner ${corners.length} at ${it[0]}, ${it[1]} percent.`);
  draw();
}

picture.addEventListener("pointerdown", (event) => {
  if (event.button) return;
  byKeys = false;
  cross = place(event);
  picture.focus({ preventScroll: true });
  if (tool === "rectangle") {
    picture.setPointerCapture(event.pointerId);
    dragged = cross;
    corners = [cross];
  } else corner(cross);
  draw();
});
picture.addEventListener("pointermove", (event) => {
  if (!corners.length || (tool === "rectangle" && !dragged)) return;
  cross = place(event);
  draw();
});
picture.addEventListener("pointerup", (event) => {
  if (!dragged) return;
  const from = dragged;
  dragged = null;
  take(rectangle(from, place(event)));
});
picture.addEventListener("pointercancel", () => {
  dragged = null;
  corners = [];
  draw();
});

const MOVES = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
picture.addEventListener("keydown", (event) => {
  const move = MOVES[event.key];
  if (move) {
    const step = event.shiftKey ? 0.5 : 5;
    cross = [inside(cross[0] + step * move[0]), inside(cross[1] + step * move[1])];
    say(`${cross[0]}, ${cross[1]}`);
  } else if (event.key === "Enter" || event.key === " ") corner(cross);
  else if (event.key === "c" && tool === "polygon") take(corners);
  else if (event.key === "Backspace") corners.pop();
  else if (event.key === "Escape") corners = [];
  else return;
  byKeys = true;
  event.preventDefault();
  draw();
});
picture.addEventListener("focus", () => {
  byKeys = picture.matches(":focus-visible");
  draw();
});
picture.addEventListener("blur", () => {
  byKeys = false;
  draw();
});

for (const name of ["rectangle", "polygon"]) {
  at(name).addEventListener("click", () => {
    tool = name;
    corners = [];
    for (const it of ["rectangle", "polygon"]) at(it).setAttribute("aria-pressed", it === name);
    draw();
  });
}
at("close").addEventListener("click", () => take(corners));
at("drop").addEventListener("click", () => {
  corners = [];
  draw();
});
at("setup").addEventListener("input", changed);

picture.setAttribute("role", "application");
picture.setAttribute("tabindex", "0");
picture.setAttribute("aria-describedby", "drawing");
at("tools").hidden = false;
at("drawing").hidden = false;
draw();

function loggedOut() {
  const [line, link] = [document.createElement("p"), document.createElement("a")];
  link.href = `/login?to=${encodeURIComponent(location.pathname + location.search)}`;
  link.textContent = "Log in";
  line.className = "error";
  line.setAttribute("role", "alert");
  line.append("You are not logged in any more: what came of the trial is shown once you are. ", link);
  at("trial").append(line);
}

// A trial that runs is asked how far it is; when it is over, whether these settings are tried is for the page to say.
async function renew() {
  try {
    const answer = await fetch(location.href, { cache: "no-store" });
    if (answer.status === 401) return loggedOut();
    const next = new DOMParser().parseFromString(await answer.text(), "text/html");
    const trial = next.getElementById("trial");
    if (!answer.ok || !trial) throw new Error(answer.statusText);
    at("trial").replaceWith(trial);
    if (trial.dataset.running === "false") {
      if (!differs) at("save").textContent = next.getElementById("save").textContent;
      say(trial.querySelector("h2").textContent);
    }
  } catch {
    // The daemon may be starting again: the next try tells.
  }
  if (at("trial").dataset.running === "true") setTimeout(renew, EVERY_MS);
}
if (at("trial").dataset.running === "true") setTimeout(renew, EVERY_MS);
