// Without signal: the base map that this phone keeps of an estate, with outlines, devices and the person's place.
import { attributionOf, groundLayers, load, outlineLayers, palette } from "./map.js";

const ARCHIVE = "estate";
let loaded = null;

async function libraries({ maplibre, css, pmtiles }) {
  const [library] = await Promise.all([
    import(maplibre.url),
    load("link", { rel: "stylesheet", href: css.url, integrity: css.integrity }),
    load("script", { src: pmtiles.url, integrity: pmtiles.integrity }),
  ]);
  return library.default?.Map ? library.default : library;
}

function styleOf(config, language, outlines) {
  const c = palette();
  return {
    version: 8,
    sources: {
      base: { type: "vector", url: `pmtiles://${ARCHIVE}`, attribution: attributionOf(config.credit) },
      outlines: { type: "geojson", data: { type: "FeatureCollection", features: outlines } },
    },
    layers: [
      { id: "page", type: "background", paint: { "background-color": c.page } },
      ...groundLayers(c, language),
      ...outlineLayers(c, language),
    ],
  };
}

// Return the map once it is drawn. `markers` are [element, [lat, lon]]; `points` are to be in view; `outlines` is GeoJSON.
export async function openKeptMap(container, config, { archive, markers, points, outlines, words }) {
  loaded ??= libraries(config.libraries);
  const maplibre = await loaded;
  const protocol = new window.pmtiles.Protocol();
  protocol.add(new window.pmtiles.PMTiles(new window.pmtiles.FileSource(new File([archive], ARCHIVE))));
  maplibre.removeProtocol("pmtiles");
  maplibre.addProtocol("pmtiles", protocol.tile);
  const bounds = new maplibre.LngLatBounds();
  for (const [lat, lon] of points) bounds.extend([lon, lat]);
  const map = new maplibre.Map({
    container,
    style: styleOf(config, document.documentElement.lang, outlines),
    bounds,
    fitBoundsOptions: { padding: { top: 40, right: 80, bottom: 60, left: 40 }, maxZoom: 17 },
    minZoom: 12,
    maxZoom: 19,
    attributionControl: { compact: false },
    dragRotate: false,
    pitchWithRotate: false,
    fadeDuration: 0,
    locale: {
      "Map.Title": words.map, "NavigationControl.ZoomIn": words.zoomIn, "NavigationControl.ZoomOut": words.zoomOut,
      "AttributionControl.ToggleAttribution": words.credits,
    },
  });
  map.touchZoomRotate.disableRotation();
  map.addControl(new maplibre.NavigationControl({ showCompass: false }), "top-right");
  for (const [element, [lat, lon]] of markers) new maplibre.Marker({ element }).setLngLat([lon, lat]).addTo(map);
  await new Promise((resolve) => { map.once("idle", resolve); });
  return map;
}
