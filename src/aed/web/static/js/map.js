// The map: MapLibre over the base map's PMTiles file, another provider's tiles, or outlines and streets alone.
// Below SINGLES devices are gathered in rings with the share of each mark; from there on each has its own.
const SINGLES = 14;
const LISTED = 40;
const LIGHT = {
  page: "#f3f1ec", residential: "#ece8de", green: "#d3e6c6", sport: "#c5e0cf", business: "#ece3e0", institution: "#efe7d3",
  water: "#a9cfe6", wall: "#8f877b", building: "#d9d1c3", edge: "#bdb3a3", road: "#ffffff", casing: "#cbc4b8",
  main: "#fbe6a9", motorway: "#f3c07d", path: "#b49f86", rail: "#8d8d8d", text: "#33312d", halo: "#ffffff", estate: "#0b4f8a",
};
const DARK = {
  page: "#1d1f20", residential: "#25282a", green: "#24372a", sport: "#264034", business: "#2c2829", institution: "#302d24",
  water: "#1d3a4d", wall: "#77736b", building: "#3a3c3d", edge: "#55585a", road: "#4b4f52", casing: "#2b2e30",
  main: "#6b5f3c", motorway: "#77552f", path: "#8a7c69", rail: "#7a7a7a", text: "#e9e7e0", halo: "#161615", estate: "#8ec7ff",
};
const WHITE = "#fff", DARK_TEXT = "#000";
const MARKS = ["open", "assisted", "unknown", "closed", "last_resort", "out"];

const zoomed = (...stops) => ["interpolate", ["exponential", 1.6], ["zoom"], ...stops];
const kind = (...kinds) => ["in", ["get", "kind"], ["literal", kinds]];

function nameIn(language) {
  const [first, second] = language.startsWith("zh") ? ["name_zh", "name_en"] : ["name_en", "name_zh"];
  return ["coalesce", ["get", first], ["get", "name"], ["get", second]];
}

export function groundLayers(c, language) {
  const base = { source: "base" };
  const text = { "text-field": nameIn(language), "text-font": ["sans-serif"] };
  const halo = { "text-color": c.text, "text-halo-color": c.halo, "text-halo-width": 1.4 };
  const area = (id, colour, filter, layer = "ground") =>
    ({ id, type: "fill", ...base, "source-layer": layer, filter, paint: { "fill-color": colour } });
  const road = (id, filter, colour, width, more = {}) => ({
    id, type: "line", ...base, "source-layer": "roads", filter,
    layout: { "line-cap": "round", "line-join": "round" }, paint: { "line-color": colour, "line-width": width, ...more },
  });
  const small = zoomed(12, 0.6, 14, 2, 18, 14), main = zoomed(8, 0.8, 14, 5, 18, 22);
  return [
    area("residential", c.residential, kind("residential")),
    area("business", c.business, kind("business")),
    area("institution", c.institution, kind("institution")),
    area("green", c.green, kind("green")),
    area("sport", c.sport, kind("sport")),
    area("water", c.water, kind("area"), "water"),
    { id: "rivers", type: "line", ...base, "source-layer": "water", filter: kind("line"),
      paint: { "line-color": c.water, "line-width": zoomed(10, 0.8, 14, 4, 18, 26) } },
    road("paths", kind("path", "steps"), c.path, zoomed(14, 0.7, 18, 3), { "line-dasharray": [3, 1.5] }),
    road("lane-casing", kind("lane", "street"), c.casing, zoomed(12, 0.8, 14, 3, 18, 17)),
    road("main-casing", kind("main", "motorway"), c.casing, zoomed(8, 1, 14, 6.5, 18, 26)),
    road("lanes", kind("lane", "street"), c.road, small),
    road("mains", kind("main"), c.main, main),
    road("motorways", kind("motorway"), c.motorway, main),
    road("rails", kind("rail"), c.rail, zoomed(10, 0.5, 18, 3), { "line-dasharray": [4, 2] }),
    { ...area("buildings", c.building, ["has", "kind"], "buildings"), minzoom: 13,
      paint: { "fill-color": c.building, "fill-outline-color": c.edge } },
    { id: "walls", type: "line", ...base, "source-layer": "walls", minzoom: 14,
      paint: { "line-color": c.wall, "line-width": zoomed(14, 0.8, 18, 2.5) } },
    { id: "house-numbers", type: "symbol", ...base, "source-layer": "buildings", minzoom: 16.5, filter: ["has", "number"],
      layout: { ...text, "text-field": ["get", "number"], "text-size": 11 }, paint: halo },
    { id: "road-names", type: "symbol", ...base, "source-layer": "roads", minzoom: 13.5, filter: kind("main", "motorway", "street"),
      layout: { ...text, "symbol-placement": "line", "text-size": 12 }, paint: halo },
    { id: "buildings-names", type: "symbol", ...base, "source-layer": "places", minzoom: 16, filter: kind("building", "gate", "green", "water", "school"),
      layout: { ...text, "text-size": 12, "text-max-width": 8 }, paint: halo },
    { id: "place-names", type: "symbol", ...base, "source-layer": "places", minzoom: 10,
      filter: ["!", kind("building", "gate", "green", "water", "school")],
      layout: { ...text, "text-size": 13, "text-max-width": 8 }, paint: halo },
  ];
}

export function outlineLayers(c, language) {
  return [
    { id: "outlines", type: "line", source: "outlines", filter: kind("estate"), paint: { "line-color": c.estate, "line-width": 2, "line-dasharray": [3, 2] } },
    { id: "streets", type: "line", source: "outlines", filter: kind("street"), paint: { "line-color": c.path, "line-width": zoomed(13, 0.8, 18, 4) } },
    { id: "estate-names", type: "symbol", source: "outlines", filter: kind("estate"),
      layout: { "text-field": nameIn(language), "text-font": ["sans-serif"], "text-size": 13 },
      paint: { "text-color": c.text, "text-halo-color": c.halo, "text-halo-width": 1.4 } },
  ];
}

function deviceLayers(c, language) {
  const [first, second] = language.startsWith("zh") ? ["place_zh", "place_en"] : ["place_en", "place_zh"];
  return [
    { id: "gathered", type: "symbol", source: "devices", "source-layer": "devices", filter: ["has", "count"],
      layout: { "icon-image": ["concat", "ring", ...MARKS.flatMap((mark) => ["|", ["coalesce", ["get", mark], 0]])], "icon-allow-overlap": true } },
    { id: "dots", type: "circle", source: "devices", "source-layer": "devices", filter: ["!", ["has", "count"]],
      paint: { "circle-radius": 6, "circle-color": c.halo, "circle-stroke-color": c.text, "circle-stroke-width": 2 } },
    { id: "marks", type: "symbol", source: "marks", minzoom: SINGLES,
      layout: {
        "icon-image": ["get", "mark"], "icon-allow-overlap": true,
        "text-field": ["step", ["zoom"], "", 16, ["coalesce", ["get", first], ["get", second], ""]],
        "text-font": ["sans-serif"], "text-size": 12, "text-offset": [0, 1.4], "text-anchor": "top", "text-optional": true, "text-max-width": 9,
      },
      paint: { "text-color": c.text, "text-halo-color": c.halo, "text-halo-width": 1.6 } },
  ];
}

export const palette = () => (matchMedia("(prefers-color-scheme: dark)").matches ? DARK : LIGHT);

export function attributionOf({ text, url }) {
  const credit = Object.assign(document.createElement(url ? "a" : "span"), { textContent: text });
  if (url) Object.assign(credit, { href: url, rel: "noopener" });
  return credit.outerHTML;
}

// `devices: false` leaves out the AEDs: the ground alone.
function styleOf(config, language, { devices = true } = {}) {
  const c = config.tiles ? LIGHT : palette();
  const attribution = attributionOf(config.credit);
  const empty = { type: "geojson", data: { type: "FeatureCollection", features: [] } };
  const sources = {
    devices: { type: "vector", tiles: [`${location.origin}/tiles/{z}/{x}/{y}.mvt?datum=${config.datum}`], minzoom: config.rings_from_zoom, maxzoom: 17 },
    marks: empty,
    outlines: { ...empty, attribution },
  };
  const layers = [{ id: "page", type: "background", paint: { "background-color": c.page } }];
  if (config.tiles) {
    sources.base = { type: "raster", tiles: [config.tiles.url], tileSize: 256, maxzoom: config.tiles.max_zoom, attribution };
    layers.push({ id: "base", type: "raster", source: "base" });
  } else if (config.basemap) {
    sources.base = { type: "vector", url: `pmtiles://${location.origin}${config.basemap}`, attribution };
    layers.push(...groundLayers(c, language));
  }
  if (!sources.base) layers.push(...outlineLayers(c, language));
  if (!devices) for (const name of ["devices", "marks"]) delete sources[name];
  return { version: 8, sources, layers: devices ? [...layers, ...deviceLayers(c, language)] : layers };
}

export function load(tag, properties) {
  return new Promise((resolve, reject) => {
    const element = Object.assign(document.createElement(tag), properties, { onload: resolve, onerror: reject });
    document.head.append(element);
  });
}

// The pictures of the legend, with their colours written out.
function markImage(svg, size) {
  const copy = svg.cloneNode(true);
  copy.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  copy.setAttribute("width", size);
  copy.setAttribute("height", size);
  const originals = svg.querySelectorAll("*");
  copy.querySelectorAll("*").forEach((each, index) => {
    const shown = getComputedStyle(originals[index]);
    each.setAttribute("fill", shown.fill);
    if (each.matches(".shape")) { each.setAttribute("stroke", WHITE); each.setAttribute("stroke-width", "3"); }
    if (each.matches("text")) {
      for (const name of ["font-size", "font-weight", "text-anchor"]) each.setAttribute(name, shown.getPropertyValue(name));
      each.setAttribute("font-family", "system-ui, sans-serif");
    }
  });
  const source = new XMLSerializer().serializeToString(copy);
  return new Promise((resolve, reject) => {
    const image = new Image(size, size);
    image.onload = () => resolve(image);
    image.onerror = reject;
    image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(source)}`;
  });
}

// A ring: the share of each mark in its colour, with gaps; the number inside. `numbers` follow MARKS.
function ringCanvas(numbers, colours) {
  const size = 96, middle = size / 2, radius = 38, count = numbers.reduce((sum, each) => sum + each, 0);
  const canvas = Object.assign(document.createElement("canvas"), { width: size, height: size });
  const pen = canvas.getContext("2d");
  pen.fillStyle = WHITE;
  pen.beginPath(); pen.arc(middle, middle, 46, 0, 2 * Math.PI); pen.fill();
  pen.lineWidth = 11;
  const gap = numbers.filter(Boolean).length > 1 ? 0.05 : 0;
  let from = -Math.PI / 2;
  numbers.forEach((number, index) => {
    if (!number) return;
    const to = from + (number / count) * 2 * Math.PI;
    pen.strokeStyle = colours[index];
    pen.beginPath(); pen.arc(middle, middle, radius, from + gap / 2, Math.max(to - gap / 2, from + gap)); pen.stroke();
    from = to;
  });
  pen.fillStyle = DARK_TEXT;
  pen.textAlign = "center"; pen.textBaseline = "middle";
  const text = count < 1000 ? `${count}` : count < 10000 ? `${(count / 1000).toFixed(1)}k` : `${Math.round(count / 1000)}k`;
  pen.font = `700 ${text.length > 3 ? 26 : 32}px system-ui, sans-serif`;
  pen.fillText(text, middle, middle + 1);
  return canvas;
}

// Load MapLibre and the base map. Return the library, and the bounds of the base map if it is our own file.
async function loadLibraries({ libraries, basemap }) {
  const [library] = await Promise.all([
    import(libraries.maplibre.url),
    load("link", { rel: "stylesheet", href: libraries.css.url, integrity: libraries.css.integrity }),
    basemap && load("script", { src: libraries.pmtiles.url, integrity: libraries.pmtiles.integrity }),
  ]);
  const maplibre = library.default?.Map ? library.default : library;
  if (!basemap) return { maplibre };
  const protocol = new window.pmtiles.Protocol();
  maplibre.addProtocol("pmtiles", protocol.tile);
  const archive = new window.pmtiles.PMTiles(location.origin + basemap);
  protocol.add(archive);
  const header = await archive.getHeader();
  return { maplibre, bounds: [header.minLon, header.minLat, header.maxLon, header.maxLat] };
}

// Create a map in #map, with its words from the data attributes of `place`. `optionsOf` returns what MapLibre
// does in addition, such as where to look, from the library and the bounds of the base map.
export async function createMap(place, config, optionsOf, { devices = true, follow = false } = {}) {
  const words = place.dataset, { maplibre, bounds } = await loadLibraries(config);
  const locale = {
    "Map.Title": words.map, "NavigationControl.ZoomIn": words.zoomIn, "NavigationControl.ZoomOut": words.zoomOut,
    "NavigationControl.ResetBearing": words.north, "Popup.Close": words.close, "Marker.Title": words.map,
    "GeolocateControl.FindMyLocation": words.where, "GeolocateControl.LocationNotAvailable": words.noLocation,
    "AttributionControl.ToggleAttribution": words.credits,
  };
  const map = new maplibre.Map({
    container: "map",
    style: styleOf(config, document.documentElement.lang, { devices }),
    maxZoom: 19,
    attributionControl: { compact: false },
    dragRotate: false,
    pitchWithRotate: false,
    fadeDuration: 0,
    locale: Object.fromEntries(Object.entries(locale).filter(([, text]) => text)),
    ...optionsOf({ maplibre, bounds }),
  });
  map.touchZoomRotate.disableRotation();
  map.addControl(new maplibre.NavigationControl({ showCompass: false }), "top-right");
  if (config.datum === "wgs84") map.addControl(new maplibre.GeolocateControl(follow ? { trackUserLocation: true } : {}), "top-right");
  return { map, maplibre };
}

export function boundsOf(maplibre, { type, coordinates }) {
  const bounds = new maplibre.LngLatBounds();
  for (const point of coordinates.flat(type === "Polygon" ? 1 : 2)) bounds.extend(point);
  return bounds;
}

// Draws the areas of a source, with their edges.
export function addArea(map, source) {
  const colour = palette().estate, filter = ["!=", ["geometry-type"], "Point"];
  map.addLayer({ id: "area", type: "fill", source, filter, paint: { "fill-color": colour, "fill-opacity": 0.15 } });
  map.addLayer({ id: "edge", type: "line", source, filter, paint: { "line-color": colour, "line-width": 3 } });
}

// Where to look: at the bounds of the base map, or at China.
export const lookAtBounds = (bounds, fitBoundsOptions) => (bounds ? { bounds, ...(fitBoundsOptions && { fitBoundsOptions }) } : { center: [105, 34], zoom: 3 });

export async function openMap(place, config) {
  const words = place.dataset, language = document.documentElement.lang;
  const { map, maplibre } = await createMap(place, config, ({ bounds = config.bounds }) => ({
    hash: true,
    ...(config.here ? { center: config.here, zoom: 15.2 } : lookAtBounds(bounds, { padding: 40, maxZoom: 16 })),
    cooperativeGestures: false,
    fadeDuration: matchMedia("(prefers-reduced-motion: reduce)").matches ? 0 : 200,
  }), { follow: true });

  const svgs = new Map(), sentences = new Map();
  for (const item of place.querySelectorAll("[data-mark]")) {
    svgs.set(item.dataset.mark, item.querySelector("svg"));
    sentences.set(item.dataset.mark, item.querySelector("span").textContent);
  }
  const colours = MARKS.map((mark) => getComputedStyle(svgs.get(mark).querySelector(".shape")).fill);
  map.setMissingStyleImageResolver(async (id) => {
    const [name, ...numbers] = id.split("|");
    const image = name === "ring" ? ringCanvas(numbers.map(Number), colours).getContext("2d").getImageData(0, 0, 96, 96) : await markImage(svgs.get(name), 64);
    if (!map.hasImage(id)) map.addImage(id, image, { pixelRatio: name === "ring" ? 2.6 : 2 });
  });

  const status = document.getElementById("map-status"), list = document.getElementById("map-list");
  const pick = document.getElementById("map-pick");
  let pin = null, asked = null;

  const nameOf = ({ place_zh: zh, place_en: en }) => (language.startsWith("zh") ? zh || en : en || zh) || words.unnamed;

  // Move the link to the nearest AEDs, and tell a form on this page where the pin is.
  function aim() {
    if (pin) place.dispatchEvent(new CustomEvent("pin", { detail: { ...pin.getLngLat().wrap(), datum: config.datum } }));
    const { lat, lng } = pin ? pin.getLngLat() : map.getCenter().wrap();
    const url = new URL("/", location.href);
    url.searchParams.set("lat", lat.toFixed(6));
    url.searchParams.set("lon", lng.toFixed(6));
    if (config.datum !== "wgs84") url.searchParams.set("datum", config.datum);
    url.searchParams.set("name", pick.dataset.name);
    pick.href = url;
  }

  function nearestOf(features) {
    const middle = map.getCenter();
    const far = ({ geometry: { coordinates: [lon, lat] } }) => Math.hypot((lon - middle.lng) * Math.cos((lat * Math.PI) / 180), lat - middle.lat);
    return [...features].sort((a, b) => far(a) - far(b)).slice(0, LISTED);
  }

  const enter = ({ geometry }) => map.easeTo({ center: geometry.coordinates, zoom: map.getZoom() + 2 });

  // The rings in view as a list: each in words, with a button that zooms in to it.
  function showRings() {
    if (map.getZoom() >= SINGLES - 0.01) return;
    const rings = new Map();
    for (const ring of map.queryRenderedFeatures({ layers: ["gathered"] })) rings.set(ring.geometry.coordinates.map((each) => each.toFixed(4)).join(), ring);
    list.replaceChildren(...nearestOf(rings.values()).map((ring) => {
      const numbers = MARKS.map((mark) => ring.properties[mark] ?? 0);
      const item = document.createElement("li"), text = document.createElement("div");
      const picture = ringCanvas(numbers, colours);
      picture.className = "mark";
      picture.setAttribute("aria-hidden", "true");
      const button = Object.assign(document.createElement("button"), {
        type: "button", className: "second", textContent: words.ring.replace("NUMBER", ring.properties.count), onclick: () => enter(ring),
      });
      const shares = document.createElement("small");
      shares.textContent = MARKS.flatMap((mark, index) => (numbers[index] ? [`${sentences.get(mark)} ${numbers[index]}`] : [])).join(" · ");
      text.append(button, document.createElement("br"), shares);
      item.append(picture, text);
      return item;
    }));
  }

  function show(features, complete) {
    const nearest = nearestOf(features);
    list.replaceChildren(...nearest.map(({ properties }) => {
      const item = document.createElement("li"), text = document.createElement("div");
      const link = Object.assign(document.createElement("a"), { href: `/d/${properties.code}`, textContent: nameOf(properties) });
      const state = Object.assign(document.createElement("small"), { textContent: sentences.get(properties.mark) });
      const picture = svgs.get(properties.mark).cloneNode(true);
      picture.setAttribute("aria-hidden", "true");
      picture.removeAttribute("role");
      picture.removeAttribute("aria-label");
      text.append(link, document.createElement("br"), state);
      item.append(picture, text);
      return item;
    }));
    status.textContent = !complete ? words.more : nearest.length ? "" : words.none;
  }

  async function look() {
    aim();
    asked?.abort();
    if (map.getZoom() < SINGLES - 0.01) {
      map.getSource("marks").setData({ type: "FeatureCollection", features: [] });
      status.textContent = map.getZoom() < config.rings_from_zoom ? words.tooFar : words.closer;
      return;
    }
    asked = new AbortController();
    const { signal } = asked;
    const box = map.getBounds();
    const bbox = [box.getWest(), box.getSouth(), box.getEast(), box.getNorth()].map((each) => each.toFixed(5)).join();
    const ask = async (path) => {
      const answer = await fetch(`${path}?bbox=${bbox}`, { signal });
      if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
      return answer.json();
    };
    try {
      const found = await ask(config.devices);
      map.getSource("marks").setData(found);
      map.setLayoutProperty("dots", "visibility", found.complete ? "none" : "visible");
      show(found.features, found.complete);
      place.dataset.shown = found.features.length;
      if (!config.basemap && !config.tiles) map.getSource("outlines").setData(await ask(config.outlines));
    } catch (error) {
      if (error.name !== "AbortError") status.textContent = words.failed;
    }
  }

  function tell({ properties, geometry }) {
    const box = document.createElement("div");
    const link = Object.assign(document.createElement("a"), { href: `/d/${properties.code}`, textContent: nameOf(properties) });
    box.append(link, document.createElement("br"), sentences.get(properties.mark));
    new maplibre.Popup({ offset: 18, focusAfterOpen: true }).setLngLat(geometry.coordinates).setDOMContent(box).addTo(map);
  }

  map.on("click", (event) => {
    const [hit] = map.queryRenderedFeatures(event.point, { layers: ["marks", "gathered"] });
    if (hit?.layer.id === "marks") return tell(hit);
    if (hit) return enter(hit);
    if (!pin) {
      pin = new maplibre.Marker({ color: "#b3261e", draggable: true, scale: 1.1 }).setLngLat(event.lngLat).addTo(map);
      pin.on("dragend", aim);
    }
    pin.setLngLat(event.lngLat);
    pick.textContent = words.pin;
    aim();
  });
  for (const layer of ["marks", "gathered"]) {
    map.on("mouseenter", layer, () => { map.getCanvas().style.cursor = "pointer"; });
    map.on("mouseleave", layer, () => { map.getCanvas().style.cursor = ""; });
  }
  if (config.here) new maplibre.Marker({ color: "#b3261e" }).setLngLat(config.here).addTo(map);
  map.on("moveend", look);
  map.on("idle", showRings);
  map.once("load", () => {
    look();
    place.dispatchEvent(new CustomEvent("map", { detail: { map, maplibre } })); // a page may draw on it
  });
  map.once("idle", () => { place.dataset.ready = "true"; });
}
