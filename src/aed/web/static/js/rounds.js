// The page of a round on the inspector's phone: it is kept for offline with the forms of its devices, shows checks
// that wait on the phone, and scans labels where the browser can.
import {waiting} from "./phone_store.js";

const ROUNDS = "aed-rounds-1", CHECKS = "aed-checks-1"; // as in worker.js and check_worker.js
const page = document.getElementById("round");
const stops = [...document.querySelectorAll(".stops li")];
const form = code => `/d/${encodeURIComponent(code)}/check`;

if (page.dataset.own === "yes") {
  await showWaiting().catch(() => {});
  offerScan();
  if (navigator.onLine && "serviceWorker" in navigator) await keep().catch(() => {});
}
page.dataset.ready = "yes";

// --- checks that wait on this phone ----------------------------------------------------------------------------

async function showWaiting() {
  const kept = new Set((await waiting()).filter(entry => !entry.refused).map(entry => entry.number));
  for (const stop of stops) {
    if (stop.classList.contains("checked") || !kept.has(stop.dataset.code)) continue;
    stop.classList.add("waiting");
    stop.querySelector("a.button")?.remove();
    const words = document.createElement("strong");
    words.textContent = ` ${page.dataset.waiting}`;
    stop.append(words);
  }
  const next = document.getElementById("next");
  const first = stops.find(stop => !stop.matches(".checked, .waiting"));
  if (!next) return;
  if (!first) next.hidden = true;
  else if (first.dataset.code !== next.dataset.code) {
    next.querySelector("h2").textContent = next.dataset.label.replace("{}", first.querySelector("strong").textContent);
    next.querySelector(".code").textContent = `AED ${first.dataset.code}`;
    next.querySelector(".when").textContent = first.querySelector(".when")?.textContent ?? "";
    const link = next.querySelector("a.button");
    link.href = form(first.dataset.code);
    link.textContent = next.dataset.check.replace("{}", first.dataset.code);
  }
}

// --- without a network -----------------------------------------------------------------------------------------

async function keep() {
  await navigator.serviceWorker.register("/worker.js");
  await navigator.serviceWorker.register("/d/worker.js", {scope: "/d/"});
  const files = [...document.querySelectorAll("link[rel=stylesheet], link[rel=modulepreload], script[src]")];
  const rounds = await caches.open(ROUNDS);
  await Promise.all(files.map(file => rounds.add(file.href || file.src)));
  await keepPage(rounds, location.pathname);
  const checks = await caches.open(CHECKS);
  for (const stop of stops.filter(each => !each.matches(".checked, .waiting"))) {
    const path = form(stop.dataset.code);
    if (!await checks.match(path, {ignoreVary: true})) await keepPage(checks, path);
  }
  page.dataset.kept = "yes";
}
async function keepPage(kept, path) {
  const answer = await fetch(path, {headers: {Accept: "text/html"}, cache: "no-store"});
  if (answer.ok && !answer.redirected && answer.headers.get("X-Keep-Offline")) await kept.put(path, answer);
}

// --- scanning --------------------------------------------------------------------------------------------------

function offerScan() {
  const box = document.getElementById("scan");
  if (!("BarcodeDetector" in window) || !navigator.mediaDevices) return;
  box.hidden = false;
  document.getElementById("scan-start").addEventListener("click", () => scan(box));
}
async function scan(box) {
  const video = document.getElementById("scan-video");
  try {
    video.srcObject = await navigator.mediaDevices.getUserMedia({video: {facingMode: "environment"}});
    video.hidden = false;
    await video.play();
    const detector = new BarcodeDetector({formats: ["qr_code"]});
    for (;;) {
      const codes = (await detector.detect(video)).map(each => /\/d\/([\d-]+)/.exec(each.rawValue)?.[1]);
      const code = codes.find(Boolean);
      if (code) {
        for (const track of video.srcObject.getTracks()) track.stop();
        location.assign(form(code));
        return;
      }
      await new Promise(resolve => setTimeout(resolve, 200));
    }
  } catch (error) {
    video.hidden = true;
    document.getElementById("scan-status").textContent = box.dataset.noCamera;
  }
}
