// The service worker of the site: without signal, `/` is the kept page `/offline`, and an inspector's round and a
// trainer's roster are as they were last. The server puts `const SITE = {version, files, pages}` in front.
// Everything else goes to the network.
"use strict";
const KEPT = `aed-site-${SITE.version}`;
const SIGNAL_MS = 4000; // with a weaker signal the kept page comes first; its link adds `wait` to try for longer
const FILES = "/static/"; // addresses with a content hash: also those of the map, once an estate with a base map is kept
const SETTINGS = "aed-settings";
const ROUNDS = "aed-rounds-1"; // as in rounds.js and training_desk.js

self.addEventListener("install", (event) => {
  event.waitUntil((async () => {
    const kept = await caches.open(KEPT);
    await kept.addAll(SITE.files);
    await Promise.all(Object.values(SITE.pages).map(async (address) => {
      const page = await fetch(address, { credentials: "omit", cache: "no-store", headers: { Accept: "text/html" } });
      if (!page.ok) throw new Error(`${address}: ${page.status}`);
      await kept.put(address, page);
    }));
    await self.skipWaiting();
  })());
});

self.addEventListener("activate", (event) => {
  event.waitUntil((async () => {
    for (const name of await caches.keys()) {
      if (name.startsWith("aed-site-") && name !== KEPT) await caches.delete(name);
    }
    await self.clients.claim();
  })());
});

async function language(url) {
  const asked = url.searchParams.get("lang");
  if (asked in SITE.pages) return asked;
  const last = await (await caches.open(SETTINGS)).match("/language");
  const found = last && (await last.text());
  return found in SITE.pages ? found : Object.keys(SITE.pages)[0];
}

async function keptPage(url) {
  return (await caches.open(KEPT)).match(SITE.pages[await language(url)], { ignoreVary: true });
}

async function page(request, url) {
  const stop = new AbortController();
  const timer = url.searchParams.has("wait") ? 0 : setTimeout(() => stop.abort(), SIGNAL_MS);
  try {
    const answer = await fetch(request, { signal: stop.signal });
    if (answer.status < 502 || answer.status > 504) return answer;
    return (await keptPage(url)) ?? answer;
  } catch (error) {
    const kept = await keptPage(url);
    if (kept) return kept;
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

async function round(request, url) {
  const kept = await caches.open(ROUNDS);
  try {
    const answer = await fetch(request, { signal: AbortSignal.timeout(SIGNAL_MS) });
    if (answer.ok && !answer.redirected && answer.headers.get("X-Keep-Offline")) {
      await kept.put(url.pathname, answer.clone());
    }
    return answer;
  } catch (error) {
    const found = await kept.match(url.pathname, { ignoreVary: true });
    if (found) return found;
    throw error;
  }
}

async function file(request) {
  const kept = await caches.match(request, { ignoreVary: true, ignoreSearch: true }); // MapLibre adds its version
  return kept ?? fetch(request);
}

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.method !== "GET" || url.origin !== location.origin) return;
  if (request.mode === "navigate" && (url.pathname === "/" || url.pathname === "/offline")) {
    event.respondWith(page(request, url));
  } else if (request.mode === "navigate" && /^\/(rounds|rounds\/\d+|training\/\d+)$/.test(url.pathname)) {
    event.respondWith(round(request, url));
  } else if (url.pathname.startsWith(FILES)) {
    event.respondWith(file(request));
  }
});

// --- messages to this browser, turned on at my page -------------------------------------------------------

self.addEventListener("push", (event) => {
  const { id, subject, text } = event.data?.json() ?? {};
  if (!text) return;
  event.waitUntil(self.registration.showNotification(subject || "AED", {
    body: text,
    tag: id,
    data: { text },
    requireInteraction: true,
    vibrate: [400, 200, 400, 200, 800],
  }));
});

self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  const links = event.notification.data?.text?.match(/https?:\/\/[^\s，。；)）]+/g) ?? [];
  const own = links.find((each) => URL.canParse(each) && new URL(each).origin === location.origin);
  event.waitUntil(self.clients.openWindow(own ?? "/me"));
});
