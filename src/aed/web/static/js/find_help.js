// The first page: ask the phone where it is, and beat time for compressions. Both work without: see the form.
import { setUpMetronome } from "./metronome.js";

const button = document.getElementById("locate");
const status = document.getElementById("locate-status");

function fail(message) {
  status.textContent = message;
  button.disabled = false;
  document.getElementById("q").focus();
}

if ("geolocation" in navigator) {
  button.hidden = false;
  button.addEventListener("click", () => {
    button.disabled = true;
    status.textContent = button.dataset.waiting;
    navigator.geolocation.getCurrentPosition(
      ({ coords }) => {
        const url = new URL("/", location.href);
        url.searchParams.set("lat", coords.latitude.toFixed(6));
        url.searchParams.set("lon", coords.longitude.toFixed(6));
        location.assign(url);
      },
      (error) => fail(error.code === error.PERMISSION_DENIED ? button.dataset.denied : button.dataset.failed),
      { enableHighAccuracy: true, timeout: 10000, maximumAge: 15000 },
    );
  });
  addEventListener("pageshow", () => { button.disabled = false; });
}

setUpMetronome(document.getElementById("metronome"), document.getElementById("beat"));
