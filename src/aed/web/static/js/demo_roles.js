// The exercise of a demo: follow it while it runs.
const EVERY_MS = 3000;
let board = document.getElementById("board");

const timer = setInterval(async () => {
  if (document.hidden) return;
  if (board.dataset.live === "no") {
    clearInterval(timer);
    return;
  }
  try {
    const answer = await fetch(location.pathname, { headers: { Accept: "text/html" } });
    if (!answer.ok) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("board");
    if (!fresh || fresh.innerHTML === board.innerHTML) return;
    const focused = board.contains(document.activeElement) ? document.activeElement.form?.action : null;
    board.replaceChildren(...fresh.childNodes);
    board.dataset.live = fresh.dataset.live;
    if (focused) [...board.querySelectorAll("form")].find((each) => each.action === focused)?.querySelector("button").focus();
  } catch { /* no network: the next one tries again */ }
}, EVERY_MS);
