// Estates kept on this phone: the answers of /packs/ID, each with the moment at which it was last confirmed, and
// their base maps, each whole, as the Cache API keeps no ranges.
const PACKS = "aed-packs";
const MAPS = "aed-maps";
const MAP_FILES = "aed-map-files";
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

// Keep exactly these addresses. Each has a version in it, so what is kept stays as it is.
async function keepExactly(name, addresses) {
  const cache = await caches.open(name);
  const wanted = new Set(addresses.map((each) => new URL(each, location.href).href));
  for (const { url } of await cache.keys()) if (!wanted.delete(url)) await cache.delete(url);
  for (const url of wanted) {
    const answer = await fetch(url);
    if (answer.ok) await cache.put(url, answer);
  }
}

// Keep the base maps of the estates that are kept, and the files of the map's script.
export async function keepMaps(packs, files) {
  const maps = packs.map(({ pack }) => pack.map).filter(Boolean);
  await keepExactly(MAP_FILES, maps.length ? files : []); // first: who has a map can open it
  await keepExactly(MAPS, maps);
}

// Return the kept base map of an estate as a Blob, if any.
export async function keptMap({ pack }) {
  const answer = pack.map && await (await caches.open(MAPS)).match(pack.map, { ignoreVary: true });
  return answer ? answer.blob() : null;
}
