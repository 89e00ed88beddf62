const here = document.getElementById("here");
let csrf = "";
ask("GET", root + "me").then(me => {
  csrf = me.csrf_token || ""; here.hidden = !csrf; first.hidden = !!csrf;
}).catch(() => { first.hidden = false; });
here.onclick = () => { here.disabled = true;
  ask("POST", path, undefined, {"X-CSRF-Token": csrf})
    .then(result => { here.hidden = true; said.className = "mark yes said";
      said.textContent = result.said_zh + " " + result.said_en; })
    .catch(error => { here.disabled = false; showError(error); }); };
