// The alert page. Each tap has a key: it is sent until the server accepts it, and counts once.
const here = location.pathname, pending = "aed-tap " + here, received = "aed-received " + here;
const line = document.querySelector("[role=status]"), buttons = [...document.querySelectorAll("button[value]")];
const page = document.querySelector("main > section").dataset;

function stored(storage, key, value) {
  try {
    if (value === undefined) return storage.getItem(key);
    if (value === null) storage.removeItem(key); else storage.setItem(key, value);
  } catch { /* Storage is disabled: the tap is lost when the page is closed. */ }
  return null;
}
function say(text, isBad) { line.textContent = text; line.classList.toggle("bad", Boolean(isBad)); }
function newKey() {
  if (crypto.randomUUID) return crypto.randomUUID();
  const hex = [...crypto.getRandomValues(new Uint8Array(16))].map(each => each.toString(16).padStart(2, "0"));
  return hex.join("").replace(/^(.{8})(.{4}).(.{3}).(.{3})(.{12})$/, "$1-$2-4$3-a$4-$5");
}
async function post(reply, key) {
  const answer = await fetch(here, {
    method: "POST", credentials: "omit", body: JSON.stringify({reply, key}),
    headers: {"Content-Type": "application/json", "Accept": "application/json"}});
  if (answer.ok) return;
  const problem = await answer.json().catch(() => ({}));
  const error = new Error(problem.detail || String(answer.status));
  error.isFinal = answer.status < 500 && answer.status !== 429 && answer.status !== 408;
  throw error;
}
let wake = null;
addEventListener("online", () => { if (wake) wake(); });
async function send(tap) {
  buttons.forEach(each => { each.disabled = true; });
  for (let wait = 500; ; wait = Math.min(2 * wait, 8000)) {
    try {
      await post(tap.reply, tap.key);
      stored(localStorage, pending, null);
      stored(sessionStorage, received, tap.label);
      location.reload();
      return;
    } catch (error) {
      if (error.isFinal) {
        stored(localStorage, pending, null);
        buttons.forEach(each => { each.disabled = false; });
        say("未能提交 Not sent: " + error.message, true);
        return;
      }
      say("网络不通，正在重试…如情况紧急，请拨打" + page.number + "。 No network, trying again. If it is urgent, call " + page.number + ".", true);
      await new Promise(done => { wake = done; setTimeout(done, wait); });
    }
  }
}
for (const button of buttons) button.onclick = () => {
  const tap = {reply: button.value, key: newKey(), label: button.textContent.trim()};
  stored(localStorage, pending, JSON.stringify(tap));
  send(tap);
};
const waiting = stored(localStorage, pending);
const label = stored(sessionStorage, received);
if (label) { stored(sessionStorage, received, null); say("✓ 已收到 Received: " + label); }
if (waiting) send(JSON.parse(waiting));
else if (page.state === "asked") post("seen", newKey()).catch(() => {});
addEventListener("pageshow", event => { if (event.persisted) location.reload(); });
if (page.live === "yes") setInterval(async () => {  // reload when the task, the state or the notes change
  if (document.hidden || buttons.some(each => each.disabled)) return;
  try {
    const answer = await fetch(here, {credentials: "omit", headers: {"Accept": "application/json"}});
    if (!answer.ok) return;
    const alert = await answer.json();
    const now = [alert.state, alert.task, alert.is_over, alert.has_device, alert.fetch_failure, alert.notes]
      .join();
    if (page.now !== now.replace(/^seen/, "asked")) location.reload();
  } catch { /* No network: try again at the next interval. */ }
}, 10000);

// --- share the phone's location with dispatchers while on the way ---
const place = document.querySelector(".place");
let sentAt = 0, watch = null;
async function sendPlace(found) {
  if (Date.now() - sentAt < 10000) return;
  sentAt = Date.now();
  const {latitude: lat, longitude: lon, accuracy} = found.coords;
  if (accuracy > 1000) return;
  const answer = await fetch(here + "/location", {
    method: "PUT", credentials: "omit", headers: {"Content-Type": "application/json"},
    body: JSON.stringify({lat, lon, accuracy_metres: Math.max(accuracy, 1)})});
  if (answer.status === 409) { navigator.geolocation.clearWatch(watch); location.reload(); }
  if (answer.ok) place.textContent = "位置已共享。 Your location is shared.";
}
if (place && navigator.geolocation)
  watch = navigator.geolocation.watchPosition(found => sendPlace(found).catch(() => { sentAt = 0; }),
    () => { place.textContent = "未共享位置，仍请前往。 Your location is not shared. Please come anyway."; },
    {enableHighAccuracy: true, maximumAge: 5000});

// --- metronome for compressions: visible at once, audible after a tap (browsers require one) ---
const beat = document.querySelector(".beat");
if (beat) {
  const dot = beat.querySelector(".dot"), change = beat.querySelector(".change");
  const start = document.querySelector("#start"), perMinute = Number(beat.dataset.perMinute);
  const seconds = 60 / perMinute;
  let sound = null, timer = null, from = 0, next = 0, lock = null;
  const now = () => performance.now() / 1000;  // not the AudioContext clock, which does not advance without sound
  function click(after, isFirst) {
    if (!sound || sound.state !== "running") return;
    const at = sound.currentTime + after;
    const tone = sound.createOscillator(), volume = sound.createGain();
    tone.frequency.value = isFirst ? 1320 : 880;
    volume.gain.setValueAtTime(.0001, at);
    volume.gain.exponentialRampToValueAtTime(.7, at + .005);
    volume.gain.exponentialRampToValueAtTime(.0001, at + .09);
    tone.connect(volume).connect(sound.destination);
    tone.start(at);
    tone.stop(at + .1);
  }
  function show(count) {
    dot.textContent = count % 30 + 1;
    dot.classList.add("on");
    setTimeout(() => dot.classList.remove("on"), 1000 * seconds / 3);
    change.hidden = !(count > 0 && count % (2 * perMinute) < 12);
  }
  function tick() {  // schedule slightly ahead, so that a busy phone keeps the rhythm
    while (from + next * seconds < now() + .12) {
      const at = from + next * seconds, count = next;
      click(Math.max(0, at - now()), count % 30 === 0);
      setTimeout(() => show(count), Math.max(0, 1000 * (at - now())));
      next += 1;
    }
  }
  start.onclick = async () => {
    if (timer) {
      clearInterval(timer); timer = null;
      start.textContent = start.dataset.start;
      if (sound) sound.suspend();
      if (lock) { lock.release().catch(() => {}); lock = null; }
      return;
    }
    const Sound = window.AudioContext || window.webkitAudioContext;
    if (!sound && Sound) sound = new Sound();
    if (sound) sound.resume().catch(() => { sound = null; });
    from = now() + .1; next = 0;
    timer = setInterval(tick, 25);
    start.textContent = start.dataset.stop;
    if (navigator.wakeLock) lock = await navigator.wakeLock.request("screen").catch(() => null);
  };
}
