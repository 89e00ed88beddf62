// The gates of an estate: a tap on the map writes the coordinates of the chosen gate into its form.
import { addArea, boundsOf, createMap, palette } from "./map.js";

const place = document.getElementById("gate-map");
const status = document.getElementById("gate-status");
const outline = JSON.parse(place.dataset.outline);
const forms = [...document.querySelectorAll("form.gate")];
let chosen = document.getElementById("gate-new");

// The coordinates of a form as [lon, lat], or null.
function pointOf(form) {
  const pair = form.elements.place.value.split(/[,，\s]+/).filter(Boolean).map(Number);
  return pair.length === 2 && pair.every(Number.isFinite) && Math.abs(pair[0]) <= 90 && Math.abs(pair[1]) <= 180 ? [pair[1], pair[0]] : null;
}

function shapes() {
  const gates = forms.flatMap((form) => {
    const coordinates = pointOf(form);
    return coordinates ? [{ type: "Feature", properties: { chosen: form === chosen }, geometry: { type: "Point", coordinates } }] : [];
  });
  return { type: "FeatureCollection", features: [{ type: "Feature", properties: {}, geometry: outline }, ...gates] };
}

function choose(form, draw) {
  chosen = form;
  for (const each of forms) {
    each.querySelector(".on-map").setAttribute("aria-pressed", String(each === form));
    each.classList.toggle("chosen", each === form);
  }
  draw();
}

async function open() {
  const config = JSON.parse(place.dataset.config), words = place.dataset;
  const { map } = await createMap(place, config, ({ maplibre }) => (
    { bounds: boundsOf(maplibre, outline), fitBoundsOptions: { padding: 40 } }
  ), { devices: false });
  const draw = () => map.getSource("gates").setData(shapes());
  map.once("load", () => {
    const colour = palette().estate;
    map.addSource("gates", { type: "geojson", data: shapes() });
    addArea(map, "gates");
    map.addLayer({
      id: "dots", type: "circle", source: "gates", filter: ["==", ["geometry-type"], "Point"],
      paint: { "circle-radius": ["case", ["get", "chosen"], 11, 7], "circle-color": colour, "circle-stroke-color": "#fff", "circle-stroke-width": 3 },
    });
    map.on("click", ({ lngLat }) => {
      const { lat, lng } = lngLat.wrap();
      chosen.elements.place.value = `${lat.toFixed(6)}, ${lng.toFixed(6)}`;
      chosen.elements.datum.value = config.datum;
      status.textContent = words.placed;
      draw();
    });
    for (const form of forms) {
      const button = form.querySelector(".on-map");
      button.hidden = false;
      button.addEventListener("click", () => { choose(form, draw); place.scrollIntoView({ block: "start" }); });
      form.elements.place.addEventListener("input", draw);
    }
    choose(chosen, draw);
    place.dataset.ready = "true";
  });
}

place.hidden = false;
open().catch((error) => { status.textContent = place.dataset.failed; throw error; });
