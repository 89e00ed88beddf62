// The page of a call. A tap is kept in this browser until the server has taken it; it has a key and counts once.
import { setUpMetronome } from "./metronome.js";

const EVERY_MS = 10000;
const TIMEOUT_MS = 12000;
const page = document.getElementById("call-page");
const words = page.dataset;
const status = document.getElementById("tap-status");
const storage = `aed-taps ${words.api}`;
let call = document.getElementById("call");
let kept = [];  // where storage is disabled, taps are lost when the page is closed

function taps() {
  try {
    return JSON.parse(localStorage.getItem(storage) ?? "[]");
  } catch {  // storage is disabled
    return kept;
  }
}

function keep(list) {
  kept = list;
  try {
    if (list.length) localStorage.setItem(storage, JSON.stringify(list));
    else localStorage.removeItem(storage);
  } catch { /* storage is disabled: see `kept` */ }
}

function say(sentence, tap, waits) {
  status.textContent = sentence.replace("{tap}", tap?.label ?? "");
  status.classList.toggle("waiting", waits);
}

function newKey() {
  if (crypto.randomUUID) return crypto.randomUUID();  // over https alone
  const hex = [...crypto.getRandomValues(new Uint8Array(16))].map((each) => each.toString(16).padStart(2, "0"));
  return hex.join("").replace(/^(.{8})(.{4}).(.{3}).(.{3})(.{12})$/, "$1-$2-4$3-a$4-$5");
}

async function ask(url, options) {
  const stop = new AbortController();
  const timer = setTimeout(() => stop.abort(), TIMEOUT_MS);
  try {
    return await fetch(url, { ...options, signal: stop.signal });
  } finally {
    clearTimeout(timer);
  }
}

function post(tap) {
  return ask(words.api, {
    method: "POST", credentials: "omit", body: JSON.stringify({ reply: tap.reply, key: tap.key }),
    headers: { "Content-Type": "application/json", Accept: "application/json" },
  });
}

let sending = false;
let wake = () => {};

async function send() {
  if (sending) return;
  sending = true;
  let wait = 1000;
  for (let tap = taps()[0]; tap; tap = taps()[0]) {
    const answer = await post(tap).catch(() => null);
    if (answer === null || answer.status >= 500 || [408, 429].includes(answer.status)) {
      say(words.notSent, tap, true);
      await new Promise((done) => { wake = done; setTimeout(done, wait); });
      wait = Math.min(2 * wait, 8000);
      continue;
    }
    wait = 1000;
    keep(taps().filter((each) => each.key !== tap.key));
    say(answer.ok ? words.received : words.refused, tap, !answer.ok);
    await refresh(false).catch(() => {});  // without a network the page stays as it is
  }
  sending = false;
}

document.addEventListener("submit", (event) => {
  if (!event.target.matches("form.reply")) return;
  event.preventDefault();
  const button = event.target.querySelector("button");
  const tap = { reply: button.value, key: newKey(), label: button.textContent.trim() };
  const waiting = taps();
  if (waiting.at(-1)?.reply === tap.reply) {
    wake();
    return;  // a double tap
  }
  keep([...waiting, tap]);
  say(words.sending, tap, false);
  wake();
  send();
});

// Show the call as it is now: replace it if anything has changed.
async function refresh(announces) {
  const answer = await ask(location.pathname, { headers: { Accept: "text/html" } });
  if (answer.status === 404) location.reload();
  if (!answer.ok) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("call");
  if (!fresh || fresh.dataset.version === call.dataset.version) return;
  for (const each of call.querySelectorAll("details[open]")) {
    const same = fresh.querySelector(`#${each.id}`);
    if (same) same.open = true;
  }
  const statusText = call.querySelector("#location-status")?.textContent;
  const focused = call.contains(document.activeElement) ? document.activeElement.value : null;
  const isNews = ["state", "task", "notes", "live"].some((name) => call.dataset[name] !== fresh.dataset[name]);
  call.replaceWith(fresh);
  call = fresh;
  if (statusText && watch !== null && locationStatus()) locationStatus().textContent = statusText;
  if (focused !== null) {
    const heading = call.querySelector("h1");
    heading.tabIndex = -1;
    (call.querySelector(`button[value="${focused}"]`) ?? heading).focus({ preventScroll: true });
  }
  if (isNews) {
    const cpr = document.getElementById("cpr");
    if (cpr && call.dataset.state === "there") cpr.open = true;
    if (cpr && call.dataset.live === "no") cpr.hidden = true;
    if (announces) {
      say(words.changed, null, true);
      navigator.vibrate?.(300);
    } else {
      scrollTo({ top: 0 });
    }
  }
  shareLocation();
}

setInterval(() => {
  if (!document.hidden && !sending && call.dataset.live === "yes") refresh(true).catch(() => {});  // the next one tries again
}, EVERY_MS);
document.addEventListener("visibilitychange", () => {
  if (!document.hidden && !sending) refresh(true).catch(() => {});  // the timer tries again
});
addEventListener("online", () => wake());
addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });

// The way: share where the phone is while the person comes.
let watch = null;
let sentAt = 0;
const locationStatus = () => document.getElementById("location-status");

function tell(sentence) {
  if (locationStatus()) locationStatus().textContent = sentence;
}

async function sendLocation({ coords }) {
  if (Date.now() - sentAt < EVERY_MS || coords.accuracy > 1000) return;
  sentAt = Date.now();
  const { latitude: lat, longitude: lon, accuracy } = coords;
  const answer = await ask(`${words.api}/location`, {
    method: "PUT", credentials: "omit", headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ lat, lon, accuracy_metres: Math.max(accuracy, 1) }),
  });
  if (answer.ok) tell(words.shared);
}

function shareLocation() {
  if (!navigator.geolocation) return;
  if (call.dataset.shares === "no") {
    if (watch !== null) navigator.geolocation.clearWatch(watch);
    watch = null;
  } else if (watch === null) {
    watch = navigator.geolocation.watchPosition(
      (found) => sendLocation(found).catch(() => { sentAt = 0; }),
      () => tell(words.notShared),
      { enableHighAccuracy: true, maximumAge: 5000 },
    );
  }
}

// Compressions: the beat, the screen kept on, and a word every two minutes.
const SWAP_MS = 120000;
const SWAP_SHOWN_MS = 10000;
const metronome = document.getElementById("metronome");
if (metronome) {
  const swap = document.getElementById("swap");
  let swapping = 0;
  let lock = null;
  setUpMetronome(metronome, document.getElementById("beat"));
  new MutationObserver(async () => {
    clearInterval(swapping);
    swap.hidden = true;
    if (metronome.dataset.running === "true") {
      swapping = setInterval(() => {
        swap.hidden = false;
        setTimeout(() => { swap.hidden = true; }, SWAP_SHOWN_MS);
      }, SWAP_MS);
      lock = await navigator.wakeLock?.request("screen").catch(() => null);
    } else {
      lock?.release();
      lock = null;
    }
  }).observe(metronome, { attributeFilter: ["data-running"] });
}

if (taps().length) send();
else if (call.dataset.state === "asked") post({ reply: "seen", key: newKey() }).catch(() => {});  // a reply says it too
shareLocation();
