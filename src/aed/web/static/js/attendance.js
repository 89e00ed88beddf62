// The trainer's screen: a new code every few seconds.
const code = document.getElementById("code"), status = document.getElementById("status");

async function next() {
  try {
    const answer = await fetch(code.dataset.path, { credentials: "same-origin", headers: { Accept: "application/json" } });
    const result = await answer.json();
    if (!answer.ok) throw new Error(result.detail);
    const drawn = new DOMParser().parseFromString(result.svg, "image/svg+xml").documentElement;
    code.replaceChildren(document.importNode(drawn, true));
    document.getElementById("here").textContent = result.attended;
    document.getElementById("places").textContent = result.enrolled;
    status.textContent = "";
  } catch (error) {
    code.replaceChildren();
    status.textContent = error.message;
  }
}

next();
setInterval(next, code.dataset.everySeconds * 1000);
