// Without signal: the nearest devices of the estates kept on this phone. Same order and words as online.
import { setUpLocate } from "./locate.js";
import { setUpMetronome } from "./metronome.js";
import { kept, keptMap } from "./packs.js";

const SVG = "http://www.w3.org/2000/svg";
const METRES_PER_DEGREE = 111_195;
const MOST_SHOWN = 6;
const SOON_METRES = 2_000; // farther devices are of no use

const byId = (id) => document.getElementById(id);
const { lang } = document.documentElement;
const either = (words) => (lang.startsWith("zh") ? words.zh || words.en : words.en || words.zh) || "";
const across = (lat) => Math.cos((lat * Math.PI) / 180);
const metresBetween = ([lat, lon], [otherLat, otherLon]) =>
  Math.hypot(lat - otherLat, (lon - otherLon) * across((lat + otherLat) / 2)) * METRES_PER_DEGREE;

// --- what a device is like now ----------------------------------------------------------------------------

const PLACES_AROUND = 2;

function stateAt(device, pack, at) {
  if (at >= new Date(pack.until)) return { mark: "unknown", penalty: 0, until: null };
  const number = device.states.findLastIndex((each) => new Date(each.since) <= at);
  if (number < 0) return { mark: "unknown", penalty: 0, until: null };
  const { mark, penalty_seconds: penalty } = device.states[number];
  const next = device.states.slice(number + 1).find((each) => each.mark !== mark);
  return { mark, penalty, until: next ? new Date(next.since) : null };
}

// The places of an estate's table around here, the nearest first.
function placesAround(pack, here) {
  return pack.places
    .map((place, number) => ({ number, off: metresBetween(here, place) }))
    .filter(({ off }) => off <= pack.spacing_metres)
    .sort((one, other) => one.off - other.off)
    .slice(0, PLACES_AROUND);
}

// Return metres one way and seconds there and back: from the tables of the estates that have the device, else estimated.
// The nearest place may be beyond a wall, water or a closed gate, so the longer way from the nearest two counts.
function wayTo(held, here) {
  const ways = held
    .flatMap(({ device, around }) => around.map(({ number, off }) => ({ off, way: device.ways[number] })))
    .sort((one, other) => one.off - other.off)
    .slice(0, PLACES_AROUND)
    .map(({ way }) => way);
  const known = ways[0] ? ways.filter(Boolean).reduce((one, other) => (other[1] > one[1] ? other : one)) : null;
  if (known) return { metres: known[0], seconds: known[1] };
  const { device, pack } = held[0];
  const straight = metresBetween(here, [device.lat, device.lon]) * pack.detour_factor;
  const metres = ways.length > 0 ? Math.max(straight, pack.reach_metres) : straight;
  return { metres, seconds: device.base_seconds + 2 * metres * device.seconds_per_metre };
}

function devicesNear(here, packs, at) {
  const heldByCode = new Map();
  for (const { pack } of packs) {
    const around = placesAround(pack, here);
    for (const device of pack.devices) {
      if (metresBetween(here, [device.lat, device.lon]) > SOON_METRES) continue;
      heldByCode.set(device.code, [...(heldByCode.get(device.code) ?? []), { device, pack, around }]);
    }
  }
  const found = [...heldByCode.values()].map((held) => {
    const { device, pack } = held[0]; // the latest pack
    const way = wayTo(held, here);
    const state = stateAt(device, pack, at);
    const brought = device.phone && state.mark === "assisted" ? way.seconds / 2 + device.brought_offset_seconds : Infinity;
    const isTooFar = (way.metres > pack.max_metres || way.seconds > device.ambulance_seconds)
      && brought > device.ambulance_seconds;
    const expected = Math.min(way.seconds, brought) + state.penalty;
    return { device, pack, way, state, brought, isTooFar, expected };
  });
  return found.sort((one, other) => one.expected - other.expected);
}

// --- the list ---------------------------------------------------------------------------------------------

function markOf(name) {
  return byId("marks").content.querySelector(`.mark-${name}`).cloneNode(true);
}

function timeOf(moment, pack) {
  const isSoon = moment - Date.now() < 18 * 3600 * 1000;
  const shown = { hour: "2-digit", minute: "2-digit", hourCycle: "h23", timeZone: pack.time_zone };
  return new Intl.DateTimeFormat(lang, isSoon ? shown : { weekday: "short", ...shown }).format(moment);
}

function line({ device, pack, way, state, brought }, number) {
  const template = byId("device");
  const words = template.dataset;
  const item = template.content.firstElementChild.cloneNode(true);
  const mark = markOf(state.mark);
  item.prepend(mark);
  item.dataset.code = device.code;
  item.querySelector("h3").textContent = `${number}. ${either(device.place) || device.code}`;
  const [minutes, metres] = item.querySelectorAll(".minutes > *");
  minutes.textContent = words.minutes.replace("{minutes}", Math.max(1, Math.ceil(way.seconds / 60)));
  metres.textContent = words.about.replace("{metres}", Math.round(way.metres));
  const until = state.until ? ` · ${words.until.replace("{time}", timeOf(state.until, pack))}` : "";
  item.querySelector(".state").textContent = `${either(device.storey)} · ${mark.getAttribute("aria-label")}${until}`;
  item.querySelector(".instructions").textContent = either(device.instructions);
  const guard = item.querySelector("a");
  if (device.phone) {
    guard.href = `tel:${device.phone.replace(/[^+\d]/g, "")}`;
    const isBrought = Number.isFinite(brought);
    guard.classList.toggle("second", !isBrought);
    guard.textContent = (isBrought ? words.bring : words.guard)
      .replace("{phone}", device.phone).replace("{minutes}", Math.max(1, Math.ceil(brought / 60)));
  } else {
    guard.parentElement.remove();
  }
  return item;
}

// --- the map ----------------------------------------------------------------------------------------------

function element(name, attributes, ...children) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

function drawMap(here, shown, packs) {
  const estates = packs.filter(({ pack }) => pack.outline.flat().some((each) => metresBetween(here, each) < SOON_METRES / 2));
  const points = [here, ...shown.map(({ device }) => [device.lat, device.lon])];
  const lats = points.map(([lat]) => lat);
  const lons = points.map(([, lon]) => lon);
  const width = 420;
  const margin = 45;
  const middle = (Math.min(...lats) + Math.max(...lats)) / 2;
  const span = (values) => Math.max(...values) - Math.min(...values);
  const degrees = Math.max(span(lons) * across(middle), span(lats), 150 / METRES_PER_DEGREE);
  const scale = (width - 2 * margin) / degrees;
  const height = Math.max(320, span(lats) * scale + 2 * margin);
  const centre = [middle, (Math.min(...lons) + Math.max(...lons)) / 2];
  const at = ([lat, lon]) => [
    width / 2 + (lon - centre[1]) * across(middle) * scale,
    height / 2 - (lat - centre[0]) * scale,
  ];
  const map = element("svg", { viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" });
  for (const { pack } of estates) {
    for (const ring of pack.outline) {
      map.append(element("polygon", { class: "outline", points: ring.map((each) => at(each).join()).join(" ") }));
    }
  }
  shown.forEach(({ device, state }, number) => {
    const [x, y] = at([device.lat, device.lon]);
    const mark = markOf(state.mark);
    for (const [key, value] of Object.entries({ x: x - 16, y: y - 16, width: 32, height: 32 })) mark.setAttribute(key, value);
    mark.removeAttribute("role");
    mark.removeAttribute("aria-label");
    map.append(mark, element("text", { class: "number", x, y: y + 32 }, String(number + 1)));
  });
  const [x, y] = at(here);
  map.append(element("circle", { class: "you", cx: x, cy: y, r: 9 }));
  const figure = byId("map");
  figure.setAttribute("role", "img");
  figure.setAttribute("aria-label", figure.dataset.label);
  figure.replaceChildren(map);
  drawBaseMap(figure, here, shown, estates).catch(() => {}); // without WebGL the outlines stay
}

let opened = null;

// The list says the same.
function marker(name, ...children) {
  const made = Object.assign(document.createElement("div"), { className: name, ariaHidden: "true" });
  made.append(...children);
  return made;
}

// Lay the kept base map over the outlines once it is drawn.
async function drawBaseMap(figure, here, shown, estates) {
  opened?.remove();
  opened = null;
  const outlines = figure.firstElementChild;
  const nearest = [...estates].sort((one, other) => metresBetween(here, one.pack.here) - metresBetween(here, other.pack.here));
  let archive = null;
  for (const each of nearest) archive ??= await keptMap(each);
  if (!archive) return;
  const config = JSON.parse(figure.dataset.config);
  const { openKeptMap } = await import(config.libraries.module.url);
  const container = Object.assign(document.createElement("div"), { className: "map", inert: true }); // hidden
  figure.append(container);
  try {
    const map = await openKeptMap(container, config, {
      archive,
      words: figure.dataset,
      points: [here, ...shown.map(({ device }) => [device.lat, device.lon])],
      markers: [
        ...shown.map(({ device, state }, number) => [
          marker("place", markOf(state.mark), String(number + 1)), [device.lat, device.lon],
        ]),
        [marker("here"), here],
      ],
      outlines: estates.map(({ pack }) => ({
        type: "Feature",
        geometry: { type: "MultiPolygon", coordinates: pack.outline.map((ring) => [ring.map(([lat, lon]) => [lon, lat])]) },
        properties: { kind: "estate", name_en: pack.name.en, name_zh: pack.name.zh },
      })),
    });
    if (!outlines.isConnected) return map.remove(); // another place was chosen meanwhile
    opened = map;
    container.inert = false;
    figure.removeAttribute("role");
    figure.dataset.base = "shown";
  } catch (error) {
    container.remove();
    throw error;
  }
}

// --- the page ---------------------------------------------------------------------------------------------

function ago(moment) {
  const format = new Intl.RelativeTimeFormat(lang, { numeric: "auto" });
  const minutes = Math.round((moment - Date.now()) / 60000);
  if (minutes > -60) return format.format(minutes, "minute");
  if (minutes > -48 * 60) return format.format(Math.round(minutes / 60), "hour");
  return format.format(Math.round(minutes / 1440), "day");
}

function sayAge({ pack, keptAt }) {
  const notice = byId("age");
  const when = new Intl.DateTimeFormat(lang, { dateStyle: "medium", timeStyle: "short", hourCycle: "h23" }).format(keptAt);
  const words = Date.now() >= new Date(pack.until) ? notice.dataset.old : notice.dataset.kept;
  notice.textContent = words.replace("{ago}", ago(keptAt)).replace("{when}", when);
}

function useNumber(number) {
  const call = document.querySelector(".emergency a.call");
  const before = call.getAttribute("href").replace("tel:", "");
  if (number === before) return;
  call.href = `tel:${number}`;
  const texts = document.createTreeWalker(document.querySelector(".emergency"), NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) texts.currentNode.data = texts.currentNode.data.replaceAll(` ${before}`, ` ${number}`);
}

function show(here, name, packs) {
  const devices = devicesNear(here, packs, new Date());
  const isUsable = ({ state }) => !["closed", "out"].includes(state.mark);
  const inTime = devices.filter((each) => isUsable(each) && !each.isTooFar).slice(0, MOST_SHOWN);
  const tooFar = devices.filter((each) => isUsable(each) && each.isTooFar).slice(0, 3);
  const closed = devices.filter((each) => !isUsable(each)).slice(0, 5);
  const all = [...inTime, ...tooFar, ...closed];
  const fill = (list, found) => byId(list).replaceChildren(...found.map((each) => line(each, all.indexOf(each) + 1)));
  fill("in-time", inTime);
  fill("too-far", tooFar);
  fill("closed", closed);
  byId("nothing").hidden = inTime.length > 0;
  byId("too-far-part").hidden = !tooFar.length;
  byId("closed-part").hidden = !closed.length;
  const heading = byId("list");
  heading.textContent = name ? heading.dataset.near.replace("{place}", name) : heading.dataset.here;
  if (all.length) {
    const source = packs.find(({ pack }) => pack === all[0].pack);
    sayAge(source);
    useNumber(source.pack.emergency_number);
  }
  drawMap(here, all, packs);
  byId("found").hidden = false;
  byId("locate-status").textContent = "";
  heading.focus();
  heading.scrollIntoView();
}

function offerPlaces(packs) {
  const places = packs.flatMap(({ pack }) => [
    { name: either(pack.name), here: pack.here },
    ...pack.devices.map((device) => ({ name: either(device.place), here: [device.lat, device.lon] })),
  ]);
  const named = [...new Map(places.filter(({ name }) => name).map((each) => [each.name, each])).values()];
  const select = byId("place");
  select.append(...named.map(({ name }, number) => new Option(name, String(number))));
  select.addEventListener("change", () => {
    if (select.value) show(named[Number(select.value)].here, named[Number(select.value)].name, packs);
  });
  byId("known").hidden = false;
}

async function start() {
  const again = new URL(location.pathname === "/" ? location.href : "/", location.href);
  again.searchParams.set("wait", "1");
  byId("again").href = again;
  const packs = await kept().catch(() => []);
  if (!packs.length) {
    byId("age").textContent = byId("age").dataset.none;
    return;
  }
  sayAge(packs[0]);
  useNumber(packs[0].pack.emergency_number);
  offerPlaces(packs);
  setUpLocate(byId("locate"), byId("locate-status"), {
    found(coords) {
      byId("locate").disabled = false;
      show([coords.latitude, coords.longitude], "", packs);
    },
    failed() { byId("place").focus(); },
  });
  const asked = new URL(location.href).searchParams;
  const here = [asked.get("lat"), asked.get("lon")].map(Number.parseFloat);
  if (here.every(Number.isFinite)) show(here, asked.get("name") ?? "", packs);
}

setUpMetronome(byId("metronome"), byId("beat"));
await start();
