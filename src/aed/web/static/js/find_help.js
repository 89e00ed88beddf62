// The first page: ask the phone where it is, beat time for compressions, keep what is needed without signal.
// The page works without this script: see the form.
import { setUpLocate } from "./locate.js";
import { setUpMetronome } from "./metronome.js";
import { keep, keepMaps, rememberLanguage } from "./packs.js";

setUpLocate(document.getElementById("locate"), document.getElementById("locate-status"), {
  found(coords) {
    const url = new URL("/", location.href);
    url.searchParams.set("lat", coords.latitude.toFixed(6));
    url.searchParams.set("lon", coords.longitude.toFixed(6));
    location.assign(url);
  },
  failed() { document.getElementById("q").focus(); },
});
setUpMetronome(document.getElementById("metronome"), document.getElementById("beat"));

// Return whether the phone asks to save data, or its network is too slow for a base map of some 100 kB.
function savesData() {
  const { saveData, effectiveType } = navigator.connection ?? {};
  return Boolean(saveData) || ["slow-2g", "2g"].includes(effectiveType);
}

async function keepForLater(line) {
  await navigator.serviceWorker.register(line.dataset.worker);
  const { lang } = document.documentElement;
  await rememberLanguage(lang);
  const ids = line.dataset.packs.split(" ").filter(Boolean).map(Number);
  const estates = await keep(ids, { isSignedIn: "signedIn" in line.dataset });
  await navigator.serviceWorker.ready;
  if (!estates.length) return;
  const name = ({ pack }) => (lang.startsWith("zh") ? pack.name.zh || pack.name.en : pack.name.en || pack.name.zh);
  line.textContent = line.dataset.text.replace("{names}", new Intl.ListFormat(lang, { style: "narrow" }).format(estates.map(name)));
  line.hidden = false;
  if (savesData()) {
    line.dataset.maps = "not-fetched";
    return;
  }
  await keepMaps(estates, line.dataset.mapFiles?.split(" ") ?? []);
  line.dataset.maps = "kept";
}

// Only over https or on this machine, and not in private windows of some browsers.
if ("serviceWorker" in navigator && "caches" in window) {
  const start = () => keepForLater(document.getElementById("kept")).catch(() => {});
  if (document.readyState === "complete") start();
  else addEventListener("load", start);
}
