for (const part of document.querySelectorAll("section")) {
  const status = part.querySelector("[role=status]"), buttons = part.querySelectorAll("button");
  for (const button of buttons) button.onclick = async () => {
    buttons.forEach(each => { each.disabled = true; });
    try {
      const answer = await fetch(location.pathname.replace(/\/+$/, "") + "/" + part.dataset.id, {
        method: "PUT", credentials: "omit", body: JSON.stringify({answer: button.value}),
        headers: {"Content-Type": "application/json", "Accept": "application/json"}});
      const result = await answer.json();
      if (!answer.ok) throw new Error(result.detail);
      buttons.forEach(each => { each.ariaPressed = String(each === button); });
      status.textContent = result.said_zh + " " + result.said_en;
    } catch (error) { status.textContent = error.message; }
    buttons.forEach(each => { each.disabled = false; });
  };
}
