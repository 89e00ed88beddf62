// Open check forms without a network. Pages come from the network while there is one; without it, the form that
// was opened last for the device, or else the form without a device.
const KEPT = "aed-checks-1";
const SHELL = "/d/open";
const MAX_KEPT = 200; // a round has up to 60 devices or more

self.addEventListener("install", event => {
  event.waitUntil((async () => {
    const kept = await caches.open(KEPT);
    const shell = await fetch(SHELL, {cache: "no-store", headers: {Accept: "text/html"}});
    const files = [...(await shell.clone().text()).matchAll(/(?:src|href)="(\/static\/[^"]+)"/g)].map(found => found[1]);
    await kept.put(SHELL, shell);
    await kept.addAll([...new Set(files)]);
    await self.skipWaiting();
  })());
});

self.addEventListener("activate", event => {
  event.waitUntil((async () => {
    for (const name of await caches.keys()) {
      if (name !== KEPT && (name.startsWith("aed-page-") || name.startsWith("aed-checks-"))) await caches.delete(name);
    }
    await self.clients.claim();
  })());
});

self.addEventListener("fetch", event => {
  const {request} = event, url = new URL(request.url);
  if (request.method !== "GET" || url.origin !== location.origin) return;
  if (url.pathname.startsWith("/static/")) event.respondWith(fromCacheFirst(request));
  else if (request.mode === "navigate" && url.pathname.startsWith("/d/")) event.respondWith(fromNetworkFirst(request, url));
});

async function fromCacheFirst(request) {
  const kept = await caches.open(KEPT);
  const found = await kept.match(request.url);
  if (found) return found;
  const answer = await fetch(request);
  if (answer.ok && answer.type === "basic") await kept.put(request.url, answer.clone());
  return answer;
}

async function fromNetworkFirst(request, url) {
  const kept = await caches.open(KEPT);
  try {
    const answer = await fetch(request);
    if (answer.ok && !answer.redirected && answer.headers.get("X-Keep-Offline") && !url.search) {
      await kept.put(url.pathname, answer.clone());
      await prune(kept);
    }
    return answer;
  } catch (error) {
    const found = await kept.match(url.pathname) || await kept.match(SHELL);
    if (found) return found;
    throw error;
  }
}

async function prune(kept) {
  const all = await kept.keys();
  for (const each of all.slice(0, Math.max(0, all.length - MAX_KEPT))) {
    const path = new URL(each.url).pathname;
    if (path.startsWith("/d/") && path !== SHELL) await kept.delete(each);
  }
}
