// Estates kept on this phone: the answers of /packs/ID, each with the moment at which it was last confirmed.
const PACKS = "aed-packs";
const SETTINGS = "aed-settings";
const KEPT_AT = "X-Kept-At";
const MOST = 30;

const address = (id) => `/packs/${id}`;

export async function rememberLanguage(language) {
  await (await caches.open(SETTINGS)).put("/language", new Response(language));
}

async function keepOne(cache, id) {
  const answer = await fetch(address(id), { headers: { Accept: "application/json" } });
  if (answer.status === 404) await cache.delete(address(id));
  if (!answer.ok) return;
  const headers = { "Content-Type": "application/json", [KEPT_AT]: new Date().toISOString() };
  await cache.put(address(id), new Response(await answer.blob(), { headers }));
}

// Return [{pack, keptAt}], the latest first.
export async function kept() {
  const cache = await caches.open(PACKS);
  const found = await Promise.all((await cache.keys()).map(async (request) => {
    const answer = await cache.match(request, { ignoreVary: true });
    return { pack: await answer.json(), keptAt: new Date(answer.headers.get(KEPT_AT)) };
  }));
  return found.sort((one, other) => other.keptAt - one.keptAt);
}

// Keep these estates; renew the others; drop what is too many, and what a stranger may not see.
export async function keep(ids, { isSignedIn }) {
  const cache = await caches.open(PACKS);
  if (!isSignedIn) {
    for (const { pack } of await kept()) if (!pack.is_public) await cache.delete(address(pack.estate_id));
  }
  const day = 24 * 3600 * 1000;
  const old = (await kept()).filter(({ keptAt }) => Date.now() - keptAt > day).map(({ pack }) => pack.estate_id);
  for (const id of new Set([...ids, ...old])) await keepOne(cache, id);
  for (const { pack } of (await kept()).slice(MOST)) await cache.delete(address(pack.estate_id));
  return kept();
}
