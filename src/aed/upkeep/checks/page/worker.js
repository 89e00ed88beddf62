"use strict";
// Serve the check page from the network, and from the cache without one. The page of a device is not kept:
// without a network, its address opens the check page.
const KEPT = "aed-page-2";
const FOLDER = new URL(".", location).pathname;
const FILES = ["open", "page.js", "page.css", "app.webmanifest"].map(name => FOLDER + name);

self.addEventListener("install", event => {
  event.waitUntil(caches.open(KEPT).then(kept => kept.addAll(FILES)).then(() => self.skipWaiting()));
});

self.addEventListener("activate", event => {
  event.waitUntil((async () => {
    for (const name of await caches.keys()) if (name !== KEPT) await caches.delete(name);
    await self.clients.claim();
  })());
});

self.addEventListener("fetch", event => {
  const url = new URL(event.request.url);
  if (event.request.method !== "GET" || url.origin !== location.origin || !url.pathname.startsWith(FOLDER)) return;
  const name = event.request.mode === "navigate" ? FILES[0] : url.pathname;
  const isKept = event.request.mode !== "navigate" || url.pathname === FILES[0] || url.pathname.endsWith("/check");
  event.respondWith((async () => {
    const kept = await caches.open(KEPT);
    try {
      const answer = await fetch(event.request);
      if (answer.ok && isKept) await kept.put(name, answer.clone());
      return answer;
    } catch (error) {
      const found = await kept.match(name);
      if (found) return found;
      throw error;
    }
  })());
});
