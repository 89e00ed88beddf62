// The report of an AED: the phone's location.
import "./photo.js";

const locate = document.getElementById("locate");
const status = document.getElementById("locate-status");

if (navigator.geolocation) locate.hidden = false;
locate.addEventListener("click", () => {
  status.textContent = locate.dataset.waiting;
  navigator.geolocation.getCurrentPosition(
    ({coords}) => {
      document.getElementById("lat").value = coords.latitude;
      document.getElementById("lon").value = coords.longitude;
      document.getElementById("where").value = "";
      status.textContent = locate.dataset.found.replace("{metres}", Math.round(coords.accuracy));
    },
    () => { status.textContent = locate.dataset.failed; },
    {enableHighAccuracy: true, timeout: 20_000},
  );
});

document.getElementById("map-place")?.addEventListener("pin", ({ detail }) => {
  document.getElementById("where").value = `${detail.lat.toFixed(6)}, ${detail.lng.toFixed(6)}`;
  document.getElementById("datum").value = detail.datum;
  document.getElementById("lat").value = document.getElementById("lon").value = "";
  status.textContent = locate.dataset.pinned;
});
