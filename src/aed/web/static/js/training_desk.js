// The roster on the trainer's phone: who came is kept on the phone first and sent while there is a network. The
// page itself is kept by the service worker, so that it opens without one.
import {inStore} from "./phone_store.js";

const KEPT = "aed-rounds-1"; // as in worker.js
const RETRY_MS = 20_000;
const page = document.getElementById("roster"), words = page.dataset;
const people = [...document.querySelectorAll(".person")];
const name = `attendance ${words.session}`;
const unsent = document.getElementById("unsent");
let isSending = false, ticksBeingKept = 0;

if (words.open === "yes") {
  await show();
  page.addEventListener("change", mark);
  addEventListener("online", send);
  setInterval(send, RETRY_MS);
}
const find = document.getElementById("find");
if (find) {
  find.hidden = false;
  document.getElementById("q").addEventListener("input", filter);
  if (words.open === "yes" && "BarcodeDetector" in window && navigator.mediaDevices) {
    const button = document.getElementById("scan-start");
    button.hidden = false;
    button.addEventListener("click", scan);
  }
}
if (navigator.onLine && "serviceWorker" in navigator) await keep().catch(() => {});
page.dataset.ready = "yes";
await send();

// --- what waits on this phone: {enrolment: "attended" or "no_show"} ------------------------------------------

async function marks() {
  return (await inStore("kept", "readonly", kept => kept.get(name)))?.marks ?? {};
}
/** Change what waits in one transaction: a tick made while others are being sent is not lost. */
async function changeMarks(change) {
  await inStore("kept", "readwrite", kept => {
    const read = kept.get(name);
    read.onsuccess = () => {
      const found = change(read.result?.marks ?? {});
      if (Object.keys(found).length) kept.put({name, marks: found});
      else kept.delete(name);
    };
    return read;
  });
}
async function mark(event) {
  const id = /^attendance-(\d+)$/.exec(event.target.name)?.[1];
  if (!id) return;
  const value = event.target.value;
  ticksBeingKept += 1;
  delete page.dataset.sent;
  try {
    await changeMarks(found => ({...found, [id]: value}));
  } finally { ticksBeingKept -= 1; }
  await show();
  await send();
}
async function show(problem = "") {
  const found = await marks();
  for (const person of people) {
    const value = found[person.dataset.id], said = person.querySelector(".sent");
    if (value) for (const each of person.querySelectorAll("fieldset input")) each.checked = each.value === value;
    person.classList.toggle("unsent", Boolean(value));
    if (said) said.textContent = value ? words.waiting : "";
  }
  const count = Object.keys(found).length;
  unsent.hidden = !count || !problem && navigator.onLine;
  unsent.textContent = problem || `${count}: ${words.waiting}`;
  for (const [id, value] of [["came", "attended"], ["absent", "no_show"]]) {
    document.getElementById(id).textContent = people.filter(each => each.querySelector(`input[value=${value}]:checked`)).length;
  }
}
async function send() {
  if (isSending || !navigator.onLine) return;
  isSending = true;
  try {
    while (Object.keys(await marks()).length && await sendMarks()); // again for what was marked meanwhile
  } finally { isSending = false; }
}
/** Send what waits; return whether that was accepted. */
async function sendMarks() {
  const rows = Object.entries(await marks());
  let problem = "", isAccepted = false;
  try {
    const me = await (await fetch("/v1/me", {headers: {Accept: "application/json"}})).json();
    if (!me.csrf_token) problem = words.signIn;
    else {
      const answer = await fetch(`/v1/sessions/${words.session}/attendance`, {
        method: "POST", signal: AbortSignal.timeout(RETRY_MS),
        headers: {"Content-Type": "application/json", Accept: "application/json", "X-CSRF-Token": me.csrf_token},
        body: JSON.stringify({rows: rows.map(([id, attendance]) => ({enrolment_id: Number(id), attendance}))}),
      });
      if (answer.ok) {
        const sent = Object.fromEntries(rows); // what was marked meanwhile stays
        await changeMarks(found => Object.fromEntries(Object.entries(found).filter(([id, value]) => sent[id] !== value)));
        isAccepted = true;
      } else if (answer.status < 500) problem = `${words.refused} ${(await answer.json()).detail}`;
    }
  } catch (error) { // no network: again later
  }
  await show(problem);
  if (isAccepted && Object.keys(await marks()).length === 0 && !ticksBeingKept) page.dataset.sent = "yes";
  return isAccepted;
}

// --- without a network -----------------------------------------------------------------------------------------

async function keep() {
  await navigator.serviceWorker.register("/worker.js");
  const files = [...document.querySelectorAll("link[rel=stylesheet], link[rel=modulepreload], script[src]")];
  const kept = await caches.open(KEPT);
  await Promise.all(files.map(file => kept.add(file.href || file.src)));
  const answer = await fetch(location.pathname, {headers: {Accept: "text/html"}, cache: "no-store"});
  if (answer.ok && !answer.redirected && answer.headers.get("X-Keep-Offline")) await kept.put(location.pathname, answer);
  page.dataset.kept = "yes";
}

// --- search and scan -------------------------------------------------------------------------------------------

function filter(event) {
  const typed = event.target.value.trim().toLowerCase();
  for (const person of people) person.hidden = !person.dataset.find.toLowerCase().includes(typed);
}
async function scan() {
  const video = document.getElementById("scan-video"), status = document.getElementById("scan-status");
  status.textContent = "";
  try {
    video.srcObject = await navigator.mediaDevices.getUserMedia({video: {facingMode: "environment"}});
    video.hidden = false;
    await video.play();
    const detector = new BarcodeDetector({formats: ["qr_code"]});
    for (;;) {
      const id = (await detector.detect(video)).map(each => /\/learn\/enrolments\/(\d+)/.exec(each.rawValue)?.[1]).find(Boolean);
      if (id) {
        const person = document.getElementById(`person-${id}`);
        if (!person) status.textContent = words.unknown;
        else {
          const box = person.querySelector("input[value=attended]");
          box.checked = true;
          box.dispatchEvent(new Event("change", {bubbles: true}));
          status.textContent = person.querySelector("strong").textContent;
        }
        break;
      }
      await new Promise(resolve => setTimeout(resolve, 200));
    }
  } catch (error) { status.textContent = words.noCamera; }
  for (const track of video.srcObject?.getTracks() ?? []) track.stop();
  video.hidden = true;
}
