// The map of the dispatcher's board: patients, the arrows of the plan in the drawer, and a pin that names a place.
const place = document.getElementById("map-place");
const EMPTY = { type: "FeatureCollection", features: [] };
let map = null, maplibre = null;
const patients = new Map();

export function showOnMap(board, drawer) {
  if (!map) return;
  const shown = new Set();
  for (const article of board.querySelectorAll("article")) {
    shown.add(article.id);
    let marker = patients.get(article.id);
    if (!marker) {
      const label = Object.assign(document.createElement("span"), { className: "patient-mark", textContent: article.dataset.number });
      label.setAttribute("aria-hidden", "true"); // the list says it in words
      label.addEventListener("click", (event) => { event.stopPropagation(); article.focus(); article.scrollIntoView(); });
      marker = new maplibre.Marker({ element: label }).setLngLat(JSON.parse(article.dataset.point)).addTo(map);
      patients.set(article.id, marker);
    }
    marker.setLngLat(JSON.parse(article.dataset.point));
  }
  for (const [id, marker] of patients) if (!shown.has(id)) { marker.remove(); patients.delete(id); }
  const why = drawer.querySelector("#why[data-arrows]");
  const arrows = why ? JSON.parse(why.dataset.arrows) : EMPTY;
  map.getSource("arrows").setData(arrows);
  place.dataset.arrows = arrows.features.length;
  const [patient] = arrows.features;
  if (patient && place.dataset.around !== drawer.dataset.href) map.easeTo({ center: patient.geometry.coordinates, zoom: Math.max(map.getZoom(), 16) });
  place.dataset.around = why ? drawer.dataset.href : "";
}

const STYLES = { accepted: { color: "#b3261e", dash: null }, open: { color: "#7a5c00", dash: [2, 1.5] } }; // as in the legend

function arrowHead(color) {
  const pen = Object.assign(document.createElement("canvas"), { width: 32, height: 32 }).getContext("2d");
  pen.fillStyle = color;
  pen.beginPath();
  pen.moveTo(4, 4);
  pen.lineTo(30, 16);
  pen.lineTo(4, 28);
  pen.fill();
  return pen.getImageData(0, 0, 32, 32);
}

place?.addEventListener("map", ({ detail }) => {
  ({ map, maplibre } = detail);
  map.addSource("arrows", { type: "geojson", data: EMPTY });
  for (const [answer, { color, dash }] of Object.entries(STYLES)) {
    const filter = ["==", ["get", "answer"], answer], paint = { "line-color": color, "line-width": 4 };
    map.addImage(`arrow-head-${answer}`, arrowHead(color), { pixelRatio: 2 });
    map.addLayer({
      id: `arrows-${answer}`, type: "line", source: "arrows", filter,
      paint: dash ? { ...paint, "line-dasharray": dash } : paint, layout: { "line-cap": dash ? "butt" : "round" },
    });
    map.addLayer({
      id: `arrow-heads-${answer}`, type: "symbol", source: "arrows", filter,
      layout: { "symbol-placement": "line", "symbol-spacing": 60, "icon-image": `arrow-head-${answer}`, "icon-allow-overlap": true },
    });
  }
  const board = document.getElementById("board");
  showOnMap(board, document.getElementById("drawer"));
  const first = board.querySelector(".chosen, article");
  if (first) map.jumpTo({ center: JSON.parse(first.dataset.point), zoom: 15.5 });
});

// The pin goes to the place of an open form: that of the incident that is corrected, or else of a new one.
place?.addEventListener("pin", ({ detail: { lat, lng, datum } }) => {
  const text = `${lat.toFixed(6)}, ${lng.toFixed(6)}${datum === "wgs84" ? "" : ` ${datum}`}`;
  const field = document.querySelector("details[open] > form input[name=position]");
  if (field) {
    field.value = text;
    field.form.dataset.touched = "1";
    return;
  }
  const choice = document.getElementById("pinned"), radio = choice.querySelector("input");
  [radio.value, radio.checked, choice.hidden] = [text, true, false];
  radio.form.dataset.touched = "1";
  document.getElementById("new").open = true;
});
