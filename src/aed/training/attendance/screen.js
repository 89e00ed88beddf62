const code = document.getElementById("code"), said = document.getElementById("said");
async function next() {
  try {
    const answer = await fetch(code.dataset.path,
      {credentials: "same-origin", headers: {"Accept": "application/json"}});
    const result = await answer.json();
    if (!answer.ok) throw new Error(result.detail);
    const drawn = new DOMParser().parseFromString(result.svg, "image/svg+xml").documentElement;
    code.replaceChildren(document.importNode(drawn, true));
    document.getElementById("here").textContent = result.attended;
    document.getElementById("places").textContent = result.enrolled;
    said.textContent = "";
  } catch (error) { code.replaceChildren(); said.textContent = error.message; }
}
next(); setInterval(next, code.dataset.everySeconds * 1000);
