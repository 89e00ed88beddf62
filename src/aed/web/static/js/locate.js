// A button that asks the phone where it is.
export function setUpLocate(button, status, { found, failed }) {
  if (!("geolocation" in navigator)) return;
  function fail(message) {
    status.textContent = message;
    button.disabled = false;
    failed();
  }
  button.hidden = false;
  button.addEventListener("click", () => {
    button.disabled = true;
    status.textContent = button.dataset.waiting;
    navigator.geolocation.getCurrentPosition(
      ({ coords }) => found(coords),
      (error) => fail(error.code === error.PERMISSION_DENIED ? button.dataset.denied : button.dataset.failed),
      { enableHighAccuracy: true, timeout: 10000, maximumAge: 15000 },
    );
  });
  addEventListener("pageshow", () => { button.disabled = false; });
}
