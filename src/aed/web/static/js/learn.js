// The list of sessions: only those near the phone. Without JavaScript, all are shown.
const button = document.getElementById("near");
const status = document.getElementById("near-status");

if ("geolocation" in navigator && !new URLSearchParams(location.search).has("lat")) {
  button.hidden = false;
  button.addEventListener("click", () => {
    button.disabled = true;
    status.textContent = button.dataset.waiting;
    navigator.geolocation.getCurrentPosition(
      ({ coords }) => {
        const url = new URL(location.href);
        url.searchParams.set("lat", coords.latitude.toFixed(3));
        url.searchParams.set("lon", coords.longitude.toFixed(3));
        url.searchParams.delete("after");
        location.assign(url);
      },
      () => {
        status.textContent = button.dataset.failed;
        button.disabled = false;
      },
      { timeout: 10000, maximumAge: 300000 },
    );
  });
  addEventListener("pageshow", () => { button.disabled = false; });
}
