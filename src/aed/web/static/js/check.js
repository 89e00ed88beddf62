// The check form without a network: each check is kept on the phone under a key of its own before it is sent, and
// is sent until the server answers. A check that is sent twice is stored once.
import {inStore, waiting} from "./phone_store.js";

const RETRY_MS = 20_000, LONGEST_SIDE = 1600, MAX_PHOTOS = 5;
const page = document.getElementById("check-page"), form = document.getElementById("check");
const $ = id => document.getElementById(id);
const words = page.dataset;
const code = words.code || codeOfAddress();
const device = code ? `/d/${encodeURIComponent(code)}/check` : "";
let photos = [];

// --- what the phone keeps ----------------------------------------------------------------------------------

const put = entry => inStore("queue", "readwrite", queue => queue.put(entry));
const drop = key => inStore("queue", "readwrite", queue => queue.delete(key));
const draftName = () => `draft ${code}`;

function codeOfAddress() {
  const found = /^\/d\/([^/]+)\/check$/.exec(location.pathname) || /^\/d\/([\d-]+)$/.exec(location.pathname);
  return found ? decodeURIComponent(found[1]) : "";
}
function isNumber(text) {
  const digits = text.replace(/[\s-]/g, "");
  if (!/^\d{2,19}$/.test(digits)) return false;
  let total = 0;
  [...digits.slice(0, -1)].reverse().forEach((digit, place) => {
    const doubled = Number(digit) * (place % 2 === 0 ? 2 : 1);
    total += doubled > 9 ? doubled - 9 : doubled;
  });
  return (10 - total % 10) % 10 === Number(digits.slice(-1));
}
function newKey() {
  if (crypto.randomUUID) return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = bytes[6] & 15 | 64; bytes[8] = bytes[8] & 63 | 128;
  const hex = [...bytes].map(each => each.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

// --- sending -------------------------------------------------------------------------------------------------

class NoNetwork extends Error {}
async function ask(method, path, {body, headers = {}} = {}) {
  let answer, text;
  try {
    answer = await fetch(path, {method, body, credentials: "same-origin", signal: AbortSignal.timeout(20_000),
      headers: {Accept: "application/json", ...headers}});
    text = await answer.text();
  } catch (error) { throw new NoNetwork(String(error)); }
  if (answer.status >= 500 || answer.status === 429) throw new NoNetwork(String(answer.status));
  try { return {status: answer.status, ok: answer.ok, data: text ? JSON.parse(text) : {}}; }
  catch (error) { throw new NoNetwork(String(error)); }
}
async function csrf() {
  return (await ask("GET", "/v1/me")).data.csrf_token || "";
}
async function send() {
  if (navigator.locks) await navigator.locks.request("aed queue", sendAll);
  else await sendAll();
}
async function sendAll() {
  try {
    if (navigator.onLine) for (const entry of await waiting()) if (!entry.refused) await sendOne(entry);
  } catch (error) {
    if (!(error instanceof NoNetwork)) throw error;
  }
  await showQueue();
}
async function sendOne(entry) {
  const answer = entry.body ? await sendOldForm(entry) : await sendForm(entry);
  if (answer.status === 401) { say(words.signIn, "warn"); return; }
  if (answer.ok) {
    const token = entry.photos?.length ? await csrf() : "";
    for (const photo of entry.photos || []) {  // a photo that is refused does not hold up the check
      await ask("POST", `/v1/photos?check=${entry.key}`,
        {body: photo, headers: {"Content-Type": photo.type || "image/jpeg", "X-CSRF-Token": token}});
    }
    await drop(entry.key);
    if (entry.number === code) say(answer.data.sentence, answer.data.is_well ? "good" : "warn");
    return;
  }
  entry.refused = answer.data.sentence || answer.data.detail || String(answer.status);
  await put(entry);
}
function sendForm(entry) {
  const body = new URLSearchParams([...entry.fields, ["queued", "1"], ["answered_at", entry.answered_at],
    ["phone_now", new Date().toISOString()]]);
  return ask("POST", `/d/${encodeURIComponent(entry.number)}/check`, {body});
}
// A check that the page of an earlier release kept.
async function sendOldForm(entry) {
  const token = await csrf();
  if (!token) return {status: 401, ok: false, data: {}};
  const answer = await ask("POST", `/v1/devices/${entry.device_id}/checks`,
    {body: JSON.stringify(entry.body), headers: {"Content-Type": "application/json", "X-CSRF-Token": token}});
  if (answer.ok) answer.data = {sentence: "", is_well: true};
  return answer;
}

// --- what is shown -------------------------------------------------------------------------------------------

function say(sentence, level) {
  const status = $("status");
  if (!status || !sentence) return;
  status.className = `notice ${level}`;
  status.textContent = sentence;
  status.hidden = false;
}
async function showQueue() {
  const all = await waiting(), list = $("queue-list");
  $("queue").hidden = all.length === 0;
  $("queue-count").textContent = all.length || "";
  navigator.setAppBadge?.(all.length).catch(() => {});
  list.replaceChildren(...all.map(entry => {
    const item = document.createElement("li"), at = entry.answered_at || entry.body?.answered_at;
    item.textContent = `AED ${entry.number} · ${new Date(at).toLocaleString(document.documentElement.lang)}`;
    if (entry.refused) {
      const why = document.createElement("p"), button = document.createElement("button");
      why.className = "field-error";
      why.textContent = `${words.refused} ${entry.refused}`;
      button.type = "button"; button.className = "second"; button.textContent = words.drop;
      button.addEventListener("click", async () => { await drop(entry.key); await showQueue(); });
      item.append(why, button);
    }
    return item;
  }));
}

// --- the form --------------------------------------------------------------------------------------------------

async function prepareForm() {
  const typed = $("typed");
  if (typed && code) { $("offline-number").hidden = true; $("number").textContent = code; }
  form.elements.key.value = newKey();  // a page that the phone kept would repeat its key
  $("photos").hidden = false;
  $("locate").hidden = !navigator.geolocation;
  $("locate").addEventListener("click", locate);
  $("photo").addEventListener("change", addPhoto);
  form.addEventListener("input", keepDraft);
  form.addEventListener("submit", submit);
  $("start-over").addEventListener("click", startOver);
  if (code) await restoreDraft();
}
const fieldsOf = submitter => [...new FormData(form, submitter)].filter(([, value]) => typeof value === "string");

async function submit(event) {
  event.preventDefault();
  const number = code || $("typed").value.trim();
  if (!isNumber(number)) return say(words.badCode, "warn");
  const fields = fieldsOf(event.submitter);
  const isMarked = fields.some(([name, value]) => ["gone", "used"].includes(name)
    || name.startsWith("a_") && ["no", "changed"].includes(value));
  if (event.submitter?.name === "all" && isMarked) return say(words.contradiction, "warn");
  const key = form.elements.key.value;
  if (photos.length) fields.push(["has_photo", "1"]);
  form.elements.key.value = newKey();  // at once: a second tap is another check only if the form is sent again
  for (const button of form.querySelectorAll("button")) button.disabled = true;
  await put({key, number, fields, photos, answered_at: new Date().toISOString()});
  photos = [];
  await inStore("kept", "readwrite", kept => kept.delete(draftName()));
  form.hidden = true;
  say(words.waiting, "");
  await showQueue();
  scrollTo(0, 0);
  await send();
}

let draftsBeingSaved = 0;
async function keepDraft() {
  if (!code) return;
  draftsBeingSaved += 1;
  page.dataset.draft = "saving";
  await inStore("kept", "readwrite", kept => kept.put({name: draftName(), fields: fieldsOf(), photos}));
  draftsBeingSaved -= 1;
  if (!draftsBeingSaved) page.dataset.draft = "saved";
}
async function restoreDraft() {
  const draft = await inStore("kept", "readonly", kept => kept.get(draftName()));
  if (!draft) return;
  for (const [name, value] of draft.fields) {
    for (const field of form.querySelectorAll(`[name="${CSS.escape(name)}"]`)) {
      if (field.type === "radio") field.checked = field.value === value;
      else if (field.type === "checkbox") field.checked = name !== "again";
      else if (name !== "key") field.value = value;
    }
  }
  photos = draft.photos || [];
  showPhotos();
  if (draft.fields.some(([name, value]) => value && !["key", "kind"].includes(name)) || photos.length) {
    $("details").open = true;
    $("draft").hidden = false;
  }
}

async function startOver() {
  await inStore("kept", "readwrite", kept => kept.delete(draftName()));
  const key = form.elements.key.value;
  form.reset();
  form.elements.key.value = key;
  for (const name of ["lat", "lon"]) form.elements[name].value = "";
  photos = [];
  showPhotos();
  $("draft").hidden = true;
  $("details").open = false;
}

async function addPhoto(event) {
  const [file] = event.target.files, status = $("photo-status");
  event.target.value = "";
  status.textContent = "";
  if (!file || photos.length >= MAX_PHOTOS) return;
  if (file.size > Number(words.photoLimit)) { status.textContent = words.tooLarge; return; }
  try { photos.push(await smaller(file)); }
  catch { status.textContent = words.unreadable; return; }
  showPhotos();
  await keepDraft();
}
async function smaller(file) {
  const picture = await createImageBitmap(file);
  const scale = Math.min(1, LONGEST_SIDE / Math.max(picture.width, picture.height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.round(picture.width * scale); canvas.height = Math.round(picture.height * scale);
  canvas.getContext("2d").drawImage(picture, 0, 0, canvas.width, canvas.height);
  return new Promise((resolve, reject) =>
    canvas.toBlob(blob => blob ? resolve(blob) : reject(new Error("no picture")), "image/jpeg", .82));
}
function showPhotos() {
  $("photo-list").replaceChildren(...photos.map(each => {
    const item = document.createElement("li"), picture = document.createElement("img");
    picture.src = URL.createObjectURL(each);
    picture.alt = words.photo;
    item.append(picture);
    return item;
  }));
}
function locate() {
  navigator.geolocation.getCurrentPosition(
    ({coords}) => {
      form.elements.lat.value = coords.latitude; form.elements.lon.value = coords.longitude;
      $("locate-status").textContent = words.located;
      keepDraft();
    },
    () => { $("locate-status").textContent = words.noPlace; }, {enableHighAccuracy: true, timeout: 20_000});
}

if (form) await prepareForm();
addEventListener("online", send);
setInterval(async () => { if ((await waiting()).some(entry => !entry.refused)) await send(); }, RETRY_MS);
if ("serviceWorker" in navigator) navigator.serviceWorker.register("/d/worker.js", {scope: "/d/"}).catch(() => {});
await send();
page.dataset.ready = "yes";
