// The slider shows the maps of one part of the week; without it, the links above do.
const slider = document.querySelector("#band");
const bands = [...document.querySelectorAll(".band")];
const links = [...document.querySelectorAll(".chips a")];

function show() {
  const number = Number(slider.value);
  bands.forEach((band, i) => { band.hidden = i !== number; });
  links.forEach((link, i) => {
    if (i === number) link.setAttribute("aria-current", "true");
    else link.removeAttribute("aria-current");
  });
  slider.setAttribute("aria-valuetext", bands[number].dataset.name);
}

document.querySelector("#band-slider").hidden = false;
slider.addEventListener("input", show);
show();
