// Two pictures, one over the other, with a seam that moves. Without this they stand beside each other.

export function compare(within) {
  for (const figure of within.querySelectorAll("[data-compare]")) {
    if (figure.classList.contains("live")) continue;
    const slider = figure.querySelector("input");
    const pair = figure.querySelector(".pair");
    const seam = () => pair.style.setProperty("--seam", `${slider.value}%`);
    slider.hidden = false;
    slider.addEventListener("input", seam);
    figure.classList.add("live");
    seam();
  }
}

compare(document);
