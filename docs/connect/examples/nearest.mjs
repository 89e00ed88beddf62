// Print the AEDs that can be at a patient soonest: node nearest.mjs [BASE_URL]

/** Return the answer of GET /v1/nearest. Throws for a refused request. */
export async function nearest(baseUrl, { lat, lon, datum = "wgs84" }) {
  const query = new URLSearchParams({ lat, lon, datum, limit: 3 });
  const response = await fetch(`${baseUrl}/v1/nearest?${query}`, { signal: AbortSignal.timeout(5000) });
  const answer = await response.json();
  if (!response.ok) throw new Error(`${answer.title}: ${answer.detail}`);
  return answer;
}

const answer = await nearest(process.argv[2] ?? "http://127.0.0.1:8000", { lat: 30.290005, lon: 120.10156 });
console.log(answer.first_aid.en); // always first: call the emergency number, start compressions
for (const device of answer.devices) {
  const minutes = Math.floor(device.fetch_seconds / 60);
  const seconds = String(device.fetch_seconds % 60).padStart(2, "0");
  console.log(`back in ${minutes}:${seconds}, ${device.walk_metres} m, ${device.access.state}`);
  console.log(`  ${device.place.en} / ${device.place.zh}`);
}
if (answer.devices.length === 0) console.log("No AED can be here in time. Stay with the patient.");
