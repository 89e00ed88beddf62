-- What of OpenStreetMap the base map shows, for tilemaker 3. The layers' zooms are in config.json; the colours
-- in aed/web/static/js/map.js, which reads the attribute `kind` of each layer.

node_keys = { "place", "barrier", "railway", "entrance" }
way_keys = {
  "highway", "railway", "waterway", "natural", "water", "landuse", "leisure", "amenity", "building", "barrier",
}

local ROADS = {
  motorway = { "motorway", 6 }, motorway_link = { "motorway", 11 },
  trunk = { "motorway", 7 }, trunk_link = { "motorway", 11 },
  primary = { "main", 8 }, primary_link = { "main", 12 },
  secondary = { "main", 10 }, secondary_link = { "main", 12 },
  tertiary = { "street", 11 }, tertiary_link = { "street", 12 },
  residential = { "street", 12 }, unclassified = { "street", 12 }, living_street = { "street", 13 },
  service = { "lane", 13 }, pedestrian = { "lane", 13 }, track = { "lane", 13 },
  footway = { "path", 14 }, path = { "path", 14 }, cycleway = { "path", 14 }, bridleway = { "path", 14 },
  steps = { "steps", 14 },
}
local RAILWAYS = { rail = 10, light_rail = 12, subway = 12, tram = 13 }
local GREEN_LAND = {
  grass = true, forest = true, meadow = true, village_green = true, recreation_ground = true, cemetery = true,
  orchard = true, farmland = true,
}
local GREEN_NATURE = { wood = true, scrub = true, grassland = true, heath = true }
local GREEN_LEISURE = { park = true, garden = true, nature_reserve = true, golf_course = true }
local SPORT = { pitch = true, sports_centre = true, stadium = true, track = true, playground = true }
local PLACES = {
  city = 6, town = 8, suburb = 11, village = 11, quarter = 12, neighbourhood = 13, hamlet = 12, island = 10,
}

local function names()
  local name, zh, en = Find("name"), Find("name:zh"), Find("name:en")
  if name ~= "" then Attribute("name", name) end
  if zh ~= "" and zh ~= name then Attribute("name_zh", zh) end
  if en ~= "" and en ~= name then Attribute("name_en", en) end
end

local function label(kind, zoom)
  if Find("name") == "" then return end
  LayerAsCentroid("places")
  Attribute("kind", kind)
  names()
  MinZoom(zoom)
end

function node_function()
  local place, zoom = Find("place"), PLACES[Find("place")]
  local kind = nil
  if zoom then
    kind = place
  elseif Find("barrier") == "gate" then
    kind, zoom = "gate", 14
  elseif Find("railway") == "station" or Find("railway") == "subway_entrance" then
    kind, zoom = "station", 12
  end
  if kind == nil then return end
  Layer("places", false)
  Attribute("kind", kind)
  names()
  MinZoom(zoom)
end

function way_function()
  local road, railway = ROADS[Find("highway")], RAILWAYS[Find("railway")]
  if road and Find("area") ~= "yes" then
    Layer("roads", false)
    Attribute("kind", road[1])
    if Find("tunnel") ~= "" and Find("tunnel") ~= "no" then Attribute("under", "tunnel") end
    if Find("bridge") ~= "" and Find("bridge") ~= "no" then Attribute("under", "bridge") end
    names()
    MinZoom(road[2])
  elseif railway then
    Layer("roads", false)
    Attribute("kind", "rail")
    MinZoom(railway)
  end

  local waterway = Find("waterway")
  if waterway == "river" or waterway == "canal" or waterway == "stream" then
    Layer("water", false)
    Attribute("kind", "line")
    names()
    MinZoom(waterway == "stream" and 13 or 10)
  end

  local barrier = Find("barrier")
  if barrier == "wall" or barrier == "fence" or barrier == "city_wall" then Layer("walls", false) end

  if not IsClosed() then return end

  local natural, landuse, leisure, amenity = Find("natural"), Find("landuse"), Find("leisure"), Find("amenity")
  if natural == "water" or waterway == "riverbank" or landuse == "reservoir" then
    Layer("water", true)
    Attribute("kind", "area")
    label("water", 14)
  elseif GREEN_LAND[landuse] or GREEN_NATURE[natural] or GREEN_LEISURE[leisure] then
    Layer("ground", true)
    Attribute("kind", "green")
    label("green", 14)
  elseif SPORT[leisure] then
    Layer("ground", true)
    Attribute("kind", "sport")
    MinZoom(13)
  elseif landuse == "residential" then
    Layer("ground", true)
    Attribute("kind", "residential")
    label("estate", 13)
  elseif landuse == "commercial" or landuse == "retail" or landuse == "industrial" then
    Layer("ground", true)
    Attribute("kind", "business")
  elseif amenity == "school" or amenity == "university" or amenity == "hospital" or amenity == "college" then
    Layer("ground", true)
    Attribute("kind", "institution")
    label(amenity == "hospital" and "hospital" or "school", 14)
  end

  if Holds("building") and Find("building") ~= "no" then
    Layer("buildings", true)
    Attribute("kind", "building")
    local number = Find("addr:housenumber")
    if number ~= "" then Attribute("number", number) end
    if amenity ~= "school" and amenity ~= "hospital" then label("building", 14) end
  end
end
