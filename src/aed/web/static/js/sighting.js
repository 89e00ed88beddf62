// The report of an AED: the phone's location, and a photo that is too large is said before it is sent.
const locate = document.getElementById("locate");
const status = document.getElementById("locate-status");
const photo = document.getElementById("photo");

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

photo?.addEventListener("change", () => {
  const size = photo.files[0]?.size ?? 0;
  const isTooLarge = size > Number(photo.dataset.maxBytes);
  document.getElementById("photo-size").hidden = !isTooLarge;
  if (isTooLarge) photo.value = "";
});
