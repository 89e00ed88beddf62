// Draw an estate: each tap on the map adds a corner to the text field, which the form sends.
import { createMap, lookAtBounds, palette } from "./map.js";

const place = document.getElementById("corner-map");
const field = document.getElementById("corners");
const status = document.getElementById("corner-status");

// The corners of the field as [lon, lat]; lines that are no pair of numbers are left out.
function corners() {
  const pairs = field.value.split(/[\n;]/).map((line) => line.split(/[,\s]+/).filter(Boolean).map(Number));
  return pairs.filter((pair) => pair.length === 2 && pair.every(Number.isFinite)).map(([first, second]) => (Math.abs(first) > 90 ? [first, second] : [second, first]));
}

// As the server does: one corner is the middle of a square of 300 m, two are opposite ones of a rectangle.
function ring(points) {
  if (points.length === 1) {
    const [lon, lat] = points[0], north = 150 / 111195, east = north / Math.cos((lat * Math.PI) / 180);
    return ring([[lon - east, lat - north], [lon + east, lat + north]]);
  }
  if (points.length === 2) {
    const [[west, south], [east, north]] = points;
    return [[west, south], [east, south], [east, north], [west, north]];
  }
  return points;
}

function shapes() {
  const points = corners(), outline = ring(points);
  const features = points.map((point) => ({ type: "Feature", properties: {}, geometry: { type: "Point", coordinates: point } }));
  if (outline.length > 2) features.push({ type: "Feature", properties: {}, geometry: { type: "Polygon", coordinates: [[...outline, outline[0]]] } });
  return { type: "FeatureCollection", features };
}

async function open() {
  const config = JSON.parse(place.dataset.config);
  const { map, maplibre } = await createMap(place, config, ({ bounds }) => lookAtBounds(bounds), { devices: false });
  const draw = () => map.getSource("corners").setData(shapes());
  function lookAt() {
    const points = ring(corners());
    if (!points.length || (map.getZoom() > 13 && points.every((point) => map.getBounds().contains(point)))) return;
    const box = new maplibre.LngLatBounds();
    for (const point of points) box.extend(point);
    map.fitBounds(box, { padding: 60, maxZoom: 17, animate: false });
  }
  map.once("load", () => {
    const colour = palette().estate;
    map.addSource("corners", { type: "geojson", data: shapes() });
    map.addLayer({ id: "area", type: "fill", source: "corners", filter: ["==", ["geometry-type"], "Polygon"], paint: { "fill-color": colour, "fill-opacity": 0.2 } });
    map.addLayer({ id: "edge", type: "line", source: "corners", filter: ["==", ["geometry-type"], "Polygon"], paint: { "line-color": colour, "line-width": 3 } });
    map.addLayer({ id: "dots", type: "circle", source: "corners", filter: ["==", ["geometry-type"], "Point"], paint: { "circle-radius": 7, "circle-color": colour, "circle-stroke-color": "#fff", "circle-stroke-width": 2 } });
    lookAt();
    map.on("click", ({ lngLat }) => {
      const { lat, lng } = lngLat.wrap();
      if (!corners().length) document.getElementById("datum").value = config.datum;
      field.value = `${field.value.trimEnd()}\n${lat.toFixed(6)}, ${lng.toFixed(6)}`.trimStart();
      draw();
    });
    field.addEventListener("input", () => { draw(); lookAt(); });
    document.getElementById("undo-corner").addEventListener("click", () => {
      field.value = field.value.trimEnd().split("\n").slice(0, -1).join("\n");
      draw();
    });
    place.dataset.ready = "true";
  });
}

place.hidden = false;
open().catch((error) => { status.textContent = place.dataset.failed; throw error; });
