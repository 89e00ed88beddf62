// A photo that is too large is refused before it is sent.
const photo = document.getElementById("photo");

photo?.addEventListener("change", () => {
  const size = photo.files[0]?.size ?? 0;
  const isTooLarge = size > Number(photo.dataset.maxBytes);
  document.getElementById("photo-size").hidden = !isTooLarge;
  if (isTooLarge) photo.value = "";
});
