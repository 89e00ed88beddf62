// Choose the kind of hours in which times are entered.
for (const part of document.querySelectorAll("[data-hours-kind]")) {
  part.addEventListener("input", () => {
    document.querySelector(`[name=hours_kind][value=${part.dataset.hoursKind}]`).checked = true;
  });
}
