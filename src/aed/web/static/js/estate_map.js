// The AEDs of the table on a map, after a tap: the mark of each leads to its row.
import { addArea, boundsOf, createMap } from "./map.js";

const place = document.getElementById("desk-map"), button = document.getElementById("show-map");

async function open() {
  const config = JSON.parse(place.dataset.config), outline = JSON.parse(place.dataset.outline);
  const points = JSON.parse(place.dataset.points);
  place.hidden = false;
  const { map, maplibre } = await createMap(place, config, ({ maplibre }) => {
    const bounds = boundsOf(maplibre, outline);
    for (const [, lon, lat] of points) bounds.extend([lon, lat]);
    return { bounds, fitBoundsOptions: { padding: 50 } };
  }, { devices: false });
  map.once("load", () => {
    map.addSource("estate", { type: "geojson", data: outline });
    addArea(map, "estate");
    for (const [id, lon, lat] of points) {
      const row = document.getElementById(`device-${id}`), named = row.querySelector("th a");
      const element = Object.assign(document.createElement("a"), { href: `#device-${id}`, title: named.textContent });
      element.setAttribute("role", "link");
      element.setAttribute("aria-label", named.textContent);
      element.append(row.querySelector(".mark").cloneNode(true));
      element.addEventListener("click", (event) => { event.preventDefault(); named.focus(); });
      new maplibre.Marker({ element }).setLngLat([lon, lat]).addTo(map);
    }
    place.dataset.ready = "true";
  });
}

if (button) {
  button.parentElement.hidden = false;
  button.addEventListener("click", () => {
    button.parentElement.hidden = true;
    open().catch((error) => {
      document.getElementById("map-status").textContent = place.dataset.failed;
      throw error;
    });
  }, { once: true });
}
