// Keys of the desk: / searches, j and k move between the devices, x ticks one, Enter opens the one with the focus.
const search = document.getElementById("q");
const links = [...document.querySelectorAll("#devices-table tbody th a")];
const ticks = [...document.querySelectorAll("#devices-table input[name=device]")];
const all = document.querySelector("#tick-all input");
const status = document.getElementById("ticked");
const hint = document.querySelector(".keys");
if (hint && matchMedia("(hover: hover)").matches) hint.hidden = false; // not on a phone, which has no keys

const row = () => document.activeElement.closest("#devices-table tbody tr");

function move(by) {
  const at = links.findIndex((link) => link.closest("tr") === row());
  const next = links[at < 0 ? 0 : Math.min(links.length - 1, Math.max(0, at + by))];
  next?.focus();
}

function count() {
  const ticked = ticks.filter((each) => each.checked).length;
  status.textContent = ticked ? status.dataset.some.replace("{count}", ticked) : status.dataset.none;
  all.checked = ticked > 0 && ticked === ticks.length;
  all.indeterminate = ticked > 0 && ticked < ticks.length;
}

if (ticks.length) {
  document.getElementById("tick-all").hidden = false;
  status.hidden = false;
  all.addEventListener("change", () => {
    for (const each of ticks) each.checked = all.checked;
    count();
  });
  for (const each of ticks) each.addEventListener("change", count);
  // Enter in the reason would press the first button, which assigns a keeper.
  document.getElementById("reason").addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.isComposing) return;
    event.preventDefault();
    document.querySelector("#bulk button[value=out]").click();
  });
  count();
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  if (event.target.matches("input:not([type=checkbox]), select, textarea")) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  if (event.key === "/") { event.preventDefault(); search.focus(); }
  else if (event.key === "j") move(1);
  else if (event.key === "k") move(-1);
  else if (event.key === "x") row()?.querySelector("input[name=device]").click();
});
document.documentElement.dataset.ready = "true";
