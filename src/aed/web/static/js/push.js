// Messages of this person in this browser: a switch on my page. Hidden where the browser or the server has no push.
const card = document.getElementById("push-card");
const button = document.getElementById("push");
const status = document.getElementById("push-status");

const bytesOf = (text) =>
  Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (each) => each.charCodeAt(0));

async function send(method, path, body) {
  const { csrf_token: token } = await (await fetch("/v1/me")).json();
  const answer = await fetch(path, {
    method,
    headers: { "X-CSRF-Token": token, "Content-Type": "application/json" },
    body: body && JSON.stringify(body),
  });
  if (!answer.ok) throw new Error(String(answer.status));
}

function show(isOn) {
  button.textContent = isOn ? button.dataset.stop : button.dataset.start;
  button.setAttribute("aria-pressed", String(isOn));
}

async function turnOn(registration, key) {
  const subscription = await registration.pushManager.subscribe({
    userVisibleOnly: true,
    applicationServerKey: bytesOf(key),
  });
  const { endpoint, keys } = subscription.toJSON();
  await send("PUT", "/v1/me/push", { endpoint, keys });
}

async function turnOff(subscription) {
  await send("DELETE", `/v1/me/push?endpoint=${encodeURIComponent(subscription.endpoint)}`);
  await subscription.unsubscribe();
}

async function setUp() {
  if (!card || !("serviceWorker" in navigator) || !("PushManager" in window)) return;
  if (card.dataset.key === "") return;
  const registration = await navigator.serviceWorker.register(card.dataset.worker);
  await navigator.serviceWorker.ready;
  show(Boolean(await registration.pushManager.getSubscription()));
  card.hidden = false;
  button.addEventListener("click", async () => {
    button.disabled = true;
    try {
      const before = await registration.pushManager.getSubscription();
      if (before) await turnOff(before);
      else await turnOn(registration, card.dataset.key);
      show(!before);
      status.textContent = before ? status.dataset.off : status.dataset.on;
    } catch {  // refused by the person or the browser: the reason is shown
      status.textContent = Notification.permission === "denied" ? status.dataset.denied : status.dataset.failed;
    }
    button.disabled = false;
  });
}

setUp();
