// Loads the map when it is wanted: on its own page at once, elsewhere after a tap.
const place = document.getElementById("map-place");

function preload({ url, integrity }) {
  const link = Object.assign(document.createElement("link"), { rel: "modulepreload", href: url, integrity });
  document.head.append(link);
}

async function open() {
  const config = JSON.parse(place.dataset.config);
  const status = document.getElementById("map-status");
  document.getElementById("map-columns").hidden = false;
  try {
    preload(config.libraries.module);
    preload(config.libraries.maplibre);
    const { openMap } = await import(config.libraries.module.url);
    await openMap(place, config);
  } catch (error) {
    status.textContent = place.dataset.failed;
    throw error;
  }
}

if (document.querySelector("base")) document.querySelector(".skip").target = "_self"; // in a frame other links open a window
if (place) {
  place.hidden = false;
  const button = document.getElementById("open-map");
  if (button) {
    button.addEventListener("click", () => { button.parentElement.hidden = true; open(); }, { once: true });
  } else open();
}
