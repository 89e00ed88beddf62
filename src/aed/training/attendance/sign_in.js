const said = document.getElementById("said"), phone = document.getElementById("phone");
const first = document.getElementById("first"), path = first.dataset.path;
const root = path.slice(0, path.indexOf("/v1/") + 4);
async function ask(method, where, body, more) {
  const answer = await fetch(where, {method, credentials: "same-origin",
    headers: {"Content-Type": "application/json", "Accept": "application/json", ...more},
    body: body === undefined ? undefined : JSON.stringify(body)});
  const text = await answer.text(), result = text ? JSON.parse(text) : {};
  if (!answer.ok) throw new Error(result.detail || answer.statusText);
  return result;
}
const showError = error => { said.textContent = error.message; };
document.getElementById("ask").onclick = () =>
  ask("POST", root + "sign-in/code", {phone: phone.value})
    .then(() => { said.textContent = "验证码已发送。The code has been sent."; }).catch(showError);
first.onsubmit = event => { event.preventDefault();
  ask("POST", root + "sign-in", {phone: phone.value, code: document.getElementById("given").value})
    .then(() => {
      first.hidden = true;
      if (first.dataset.done) said.textContent = first.dataset.done; else location.reload();
    }).catch(showError); };
