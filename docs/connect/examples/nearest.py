"""Print the AEDs that can be at a patient soonest: python nearest.py [BASE_URL]."""

import json
import sys
from urllib.parse import urlencode
from urllib.request import urlopen


def nearest(base_url: str, *, lat: float, lon: float, datum: str = "wgs84") -> dict:
    """Return the answer of GET /v1/nearest. Raises urllib.error.HTTPError for a refused request."""
    query = urlencode({"lat": lat, "lon": lon, "datum": datum, "limit": 3})
    with urlopen(f"{base_url}/v1/nearest?{query}", timeout=5) as response:
        return json.load(response)


answer = nearest(sys.argv[1] if sys.argv[1:] else "http://127.0.0.1:8000", lat=30.290005, lon=120.10156)
print(answer["first_aid"]["en"])  # always first: call the emergency number, start compressions
for device in answer["devices"]:
    minutes, seconds = divmod(device["fetch_seconds"], 60)
    print(f"back in {minutes}:{seconds:02}, {device['walk_metres']} m, {device['access']['state']}")
    print(f"  {device['place']['en']} / {device['place']['zh']}")
if not answer["devices"]:
    print("No AED can be here in time. Stay with the patient.")
