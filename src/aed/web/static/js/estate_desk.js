// Keys of the desk: / searches, j and k move between the devices, Enter opens the one that has the focus.
const search = document.getElementById("q");
const links = [...document.querySelectorAll("#devices-table tbody th a")];
const hint = document.querySelector(".keys");
if (hint && matchMedia("(hover: hover)").matches) hint.hidden = false; // not on a phone, which has no keys

function move(by) {
  const at = links.findIndex((link) => link.closest("tr").contains(document.activeElement));
  const next = links[at < 0 ? 0 : Math.min(links.length - 1, Math.max(0, at + by))];
  next?.focus();
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.matches("input, select, textarea")) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  if (event.key === "/") { event.preventDefault(); search.focus(); }
  else if (event.key === "j") move(1);
  else if (event.key === "k") move(-1);
});
document.documentElement.dataset.ready = "true";
