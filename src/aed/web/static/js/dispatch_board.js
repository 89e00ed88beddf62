// The dispatcher's board: follows all incidents, sends its forms without leaving the page, works by single keys.
import { showOnMap } from "./dispatch_board_map.js";
import { morph } from "./morph.js";

const POLL_MS = 10_000, RETRY_MS = 2_000, OLD_MS = 15_000, UNDO_SECONDS = 5;
const KINDS = [
  "opened", "joined", "planned", "call", "said", "said_too_late", "retasked", "left", "stopped", "stood_down", "split", "place", "patient",
  "signs", "hazard", "radius", "ambulance", "held", "resumed", "excluded", "exclusion_lifted", "asked_more", "reminded", "outcome", "closed",
]; // of the entries of a record; others are seen by the poll
const at = (id) => document.getElementById(id);
const board = at("board"), drawer = at("drawer"), stale = at("stale"), undoBar = at("undo-bar"), words = at("tools").dataset;

// --- the time ---------------------------------------------------------------------------------------------------

let offset = 0; // milliseconds by which the server's clock is ahead
let seenAt = Date.now(), isLost = false, isSignedOut = false;
const now = () => Date.now() + offset;

function clockText(ms) {
  const seconds = Math.round(Math.abs(ms) / 1000);
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}

function tick() {
  for (const timer of document.querySelectorAll(".timer")) {
    const { since, until } = timer.dataset;
    const left = until ? Date.parse(until) - now() : now() - Date.parse(since);
    timer.textContent = (until && left < 0 ? "−" : "") + clockText(left);
  }
  showStale();
}

function showStale() {
  const isOld = isLost || isSignedOut || Date.now() - seenAt > OLD_MS;
  document.documentElement.dataset.stale = isOld;
  if (!isOld) {
    stale.hidden = true;
    return;
  }
  const why = isSignedOut ? "signedOut" : "lost";
  if (stale.hidden || stale.dataset.why !== why) {
    const time = new Date(seenAt + offset).toLocaleTimeString(document.documentElement.lang);
    const [before, after = ""] = stale.dataset[why].replace("TIME", time).split("AGE");
    const age = Object.assign(document.createElement("span"), { id: "stale-age" });
    age.setAttribute("aria-hidden", "true"); // a screen reader would read every second
    const signIn = Object.assign(document.createElement("a"), { href: "/sign-in?next=/board", textContent: stale.dataset.signIn });
    stale.replaceChildren(...isSignedOut ? [before, " ", signIn] : [before, age, after]);
    stale.dataset.why = why;
    stale.hidden = false;
  }
  if (!isSignedOut) at("stale-age").textContent = clockText(Date.now() - seenAt);
}

// --- what is new ------------------------------------------------------------------------------------------------

let audio = null, title = document.title, flashing = 0;

function beep(...tones) {
  if (!audio) return;
  tones.forEach((hertz, index) => {
    const tone = new OscillatorNode(audio, { frequency: hertz, type: "square" });
    const volume = new GainNode(audio, { gain: 0.15 });
    tone.connect(volume).connect(audio.destination);
    tone.start(audio.currentTime + index * 0.25);
    tone.stop(audio.currentTime + index * 0.25 + 0.2);
  });
}

function toggleSound() {
  const button = at("sound"), isOn = !audio;
  if (isOn) audio = new AudioContext();
  else { audio.close(); audio = null; }
  button.setAttribute("aria-pressed", isOn);
  button.textContent = isOn ? button.dataset.on : button.dataset.off;
  beep(660);
}

function alarm(text, ...tones) {
  beep(...tones);
  at("news").textContent = text;
  clearInterval(flashing);
  let isOn = false;
  const flash = () => { document.title = (isOn = !isOn) ? `● ${text}` : title; };
  flashing = setInterval(flash, 1000);
  flash();
}

function stopFlashing() {
  if (!flashing) return;
  clearInterval(flashing);
  flashing = 0;
  document.title = title;
}
for (const each of ["focus", "pointerdown", "keydown"]) addEventListener(each, stopFlashing);

const refusals = () => new Map([...board.querySelectorAll("article")].map((each) => [each.id, Number(each.dataset.refusals)]));

function callAttention(before) {
  for (const [id, count] of refusals()) {
    const name = at(id).querySelector("h2 .name").textContent;
    if (!before.has(id)) alarm(words.new.replace("NAME", name), 880, 660, 880);
    else if (count > before.get(id)) alarm(words.refused.replace("NAME", name), 440, 330);
  }
}

// --- following --------------------------------------------------------------------------------------------------

let isAsking = false, isWanted = false, timer = 0, sent = 0;

async function take(answer, { isOwn = false, asked = sent } = {}) {
  isSignedOut = new URL(answer.url).pathname !== "/board" && answer.redirected || answer.status === 401 || answer.status === 403;
  if (isSignedOut || !(answer.ok || [409, 422, 429].includes(answer.status))) throw new Error(`board: ${answer.status}`);
  const page = new DOMParser().parseFromString(await answer.text(), "text/html"), before = refusals();
  if (asked !== sent) { // what was sent meanwhile may not be in it yet
    isWanted = true;
    return;
  }
  const shown = page.getElementById("board"), joined = at("joined");
  if (joined && !isOwn) shown.prepend(document.importNode(joined, true)); // stays until the dispatcher sends something else
  morph(board, shown);
  [offset, seenAt, isLost] = [Date.parse(board.dataset.now) - Date.now(), Date.now(), false];
  title = page.title;
  if (!flashing) document.title = title;
  if (!isOwn) callAttention(before);
  markChosen();
  tick();
  showOnMap(board, drawer);
  board.dataset.round = Number(board.dataset.round ?? 0) + 1;
}

async function refresh() {
  if (isAsking) {
    isWanted = true;
    return;
  }
  isAsking = true;
  clearTimeout(timer);
  try {
    const asked = sent;
    await take(await fetch("/board", { headers: { Accept: "text/html" } }), { asked });
    if (!drawer.hidden) await openDrawer(drawer.dataset.href, { isAgain: true });
  } catch (error) {
    lose(error);
  }
  isAsking = false;
  clearTimeout(timer);
  timer = setTimeout(refresh, isWanted ? 0 : isLost ? RETRY_MS : POLL_MS);
  isWanted = false;
}

function lose(error) {
  console.warn(error);
  isLost = true;
  showStale();
  clearTimeout(timer);
  timer = setTimeout(refresh, RETRY_MS);
}

let soonTimer = 0;
function soon() {
  clearTimeout(soonTimer);
  soonTimer = setTimeout(refresh, 150); // one change writes several entries
}

function follow() {
  const source = new EventSource("/v1/incidents/live");
  for (const kind of KINDS) source.addEventListener(kind, soon);
  source.onerror = () => {
    soon(); // shows within a second whether the connection is lost
    if (source.readyState === EventSource.CLOSED) setTimeout(follow, RETRY_MS);
  };
}

// --- forms ------------------------------------------------------------------------------------------------------

let isLeaving = false; // the page goes, and what it sends must outlive it

async function send(action, body, form) {
  const wasThere = new Set(refusals().keys());
  try {
    const answer = await fetch(action, { method: "POST", body, headers: { Accept: "text/html" }, keepalive: isLeaving });
    sent += 1;
    if (form) {
      delete form.dataset.touched;
      if (answer.ok) {
        form.reset();
        if (form.closest("details")) form.closest("details").open = false;
      }
    }
    await take(answer, { isOwn: true });
    if (!form?.isConnected) return answer.ok;
    if (!answer.ok) {
      form.dataset.touched = "1"; // keeps the problem and what was typed until it is sent again
      form.querySelector("input:not([type=hidden]), select")?.focus();
    } else {
      const opened = [...board.querySelectorAll("article")].find((each) => !wasThere.has(each.id));
      choose(at("joined") ?? opened ?? form.closest("article"));
    }
    return answer.ok;
  } catch (error) {
    lose(error);
    return false;
  }
}

async function search() {
  const form = at("new-form"), query = new URLSearchParams({ q: form.elements.q.value });
  try {
    const answer = await fetch(`/board?${query}`, { headers: { Accept: "text/html" } });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    morph(at("places"), page.getElementById("places"));
    (at("places").querySelector("input:checked") ?? form.elements.q).focus();
  } catch (error) {
    lose(error);
  }
}

document.addEventListener("input", (event) => {
  if (event.target.form) event.target.form.dataset.touched = "1";
});

document.addEventListener("submit", (event) => {
  const form = event.target, button = event.submitter;
  event.preventDefault();
  if (button === at("search") && [form.elements.q, button].includes(document.activeElement)) return search();
  if (!form.reportValidity()) return undefined;
  const body = new URLSearchParams(new FormData(form, button === at("search") ? null : button));
  const { action } = form, { delayed, undo, name } = form.dataset;
  if (delayed) return waitForUndo(delayed, () => send(action, body, form), form);
  return send(action, body, form).then((isDone) => {
    if (isDone && undo) offerUndo(name, () => send(action, new URLSearchParams({ do: undo }), form));
  });
}, true);

// --- undo: what cannot be taken back waits five seconds; what can be is done at once ------------------------------------

let pending = null; // {run, undo}: what happens when the five seconds are over, and when the dispatcher undoes

function showUndo(text, seconds) {
  undoBar.querySelector("span").textContent = text.replace("SECONDS", seconds);
  undoBar.hidden = false;
}

function finish(what) {
  const { run, undo, interval } = pending ?? {};
  clearInterval(interval);
  pending = null;
  undoBar.hidden = true;
  (what === "undo" ? undo : run)?.();
}

function countDown(text, run, undo) {
  if (pending) finish("run");
  let left = UNDO_SECONDS;
  showUndo(text, left);
  const interval = setInterval(() => {
    left -= 1;
    if (left > 0) showUndo(text, left);
    else finish("run");
  }, 1000);
  pending = { run, undo, interval };
}

function waitForUndo(name, run, form) {
  form.closest("details").open = false;
  choose(form.closest("article"));
  countDown(undoBar.dataset.waiting.replace("WHAT", name), run, () => { form.closest("details").open = true; });
}

const offerUndo = (name, undo) => countDown(undoBar.dataset.done.replace("WHAT", name), () => {}, undo);
addEventListener("pagehide", () => { isLeaving = true; if (pending) finish("run"); });
at("undo").addEventListener("click", () => finish("undo"));

// --- the drawer -------------------------------------------------------------------------------------------------

async function openDrawer(href, { isAgain = false } = {}) {
  const answer = await fetch(href, { headers: { Accept: "text/html" } });
  if (!answer.ok) return closeDrawer();
  const page = new DOMParser().parseFromString(await answer.text(), "text/html"), why = page.getElementById("why");
  const close = Object.assign(document.createElement("button"), { type: "button", className: "second", id: "close-drawer", textContent: words.close });
  if (isAgain) morph(at("why"), why);
  else drawer.replaceChildren(close, Object.assign(document.createElement("p"), { textContent: page.querySelector("h1").textContent }), why);
  drawer.dataset.href = href;
  drawer.hidden = false;
  close.addEventListener("click", closeDrawer);
  if (!isAgain) drawer.focus();
  tick();
  return showOnMap(board, drawer);
}

function closeDrawer() {
  drawer.hidden = true;
  drawer.replaceChildren();
  showOnMap(board, drawer);
  choose(chosen());
}

board.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-key=w]");
  if (!link || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  choose(link.closest("article"));
  openDrawer(link.href);
});

// --- keys -------------------------------------------------------------------------------------------------------

let chosenId = "";
const articles = () => [...board.querySelectorAll("article")];
const chosen = () => document.activeElement.closest("article") ?? at(chosenId) ?? articles()[0];

function markChosen() {
  for (const each of articles()) each.classList.toggle("chosen", each.id === chosenId);
}

function choose(article) {
  if (!article) return;
  if (article.localName === "article") chosenId = article.id;
  markChosen();
  article.tabIndex = -1;
  article.focus();
}

function step(by) {
  const all = articles(), index = all.indexOf(chosen());
  choose(all[Math.min(all.length - 1, Math.max(0, chosenId ? index + by : 0))]);
}

function unfold(details) {
  details.open = true;
  details.querySelector("input:not([type=hidden]), select").focus();
}

function act(key) {
  const article = chosen(), target = article?.querySelector(`[data-key="${key}"]`);
  if (!target) return;
  chosenId = article.id;
  markChosen();
  if (target.localName === "details") unfold(target);
  else if (target.localName === "form") target.requestSubmit(target.querySelector("button"));
  else target.click();
}

function toggleKeys() {
  const isShown = at("keys").toggleAttribute("hidden") === false;
  at("keys-button").setAttribute("aria-expanded", isShown);
  if (isShown) at("keys-on").focus();
}

const ELSEWHERE = {
  "?": toggleKeys, n: () => unfold(at("new")), j: () => step(1), k: () => step(-1), s: toggleSound,
  u: () => { if (pending) finish("undo"); }, g: () => (at("map-columns").hidden ? at("open-map").click() : document.querySelector("#map canvas").focus()),
};

function escape(target) {
  const details = target.closest("details[open]");
  if (details) details.open = false;
  if (details || target.matches("input, select")) choose(target.closest("article") ?? chosen());
  else if (!drawer.hidden) closeDrawer();
  else if (!at("keys").hidden) toggleKeys();
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  const { key, target } = event;
  if (key === "Escape") return escape(target);
  if (target.matches("input:not([type=radio], [type=checkbox]), select, textarea") || !at("keys-on").checked) return;
  if (/^[1-9]$/.test(key)) choose(articles()[key - 1]);
  else if (ELSEWHERE[key]) ELSEWHERE[key]();
  else if (/^[a-z]$/.test(key)) act(key);
  else return;
  event.preventDefault();
});
at("keys-button").addEventListener("click", toggleKeys);
at("sound").addEventListener("click", toggleSound);

offset = Date.parse(board.dataset.now) - Date.now();
at("tools").hidden = false;
setInterval(tick, 1000);
tick();
follow();
timer = setTimeout(refresh, POLL_MS);
document.documentElement.dataset.ready = "true";
