// The slider's figure, and what the chosen policy leaves of it.

const form = document.getElementById("make");
const slider = form.elements.strength;
const value = form.querySelector("[data-value]");
const allowed = form.querySelector("[data-allowed]");
const sentence = document.getElementById("allowed");
const auto = form.elements.auto;
const alert = form.querySelector("[data-alert]");
const busy = form.querySelector("[data-busy]");
const button = form.querySelector("button.primary");

function level() {
  value.textContent = Number(slider.value).toFixed(2);
  const from = Number(allowed.getAttribute("x")) / 100;
  const to = from + Number(allowed.getAttribute("width")) / 100;
  const outside = !auto.checked && (slider.value < from - 1e-9 || slider.value > to + 1e-9);
  form.querySelector("[data-limits]").classList.toggle("outside", outside);
  slider.disabled = auto.checked;
}

async function limits() {
  const query = new URLSearchParams({ policy: form.elements.policy.value, class: form.elements.class.value });
  const response = await fetch(`/make/limits?${query}`);
  const found = await response.json();
  if (!response.ok) {
    sentence.textContent = found.error;
    return;
  }
  allowed.setAttribute("x", 100 * found.least);
  allowed.setAttribute("width", Math.max(0, 100 * (found.most - found.least)));
  const figures = { policies: found.policies };
  for (const name of ["least", "most", "deviation"]) figures[name] = found[name].toFixed(2);
  sentence.textContent = sentence.dataset.sentence.replace(/\{(\w+)\}/g, (_, name) => figures[name]);
  level();
}

slider.addEventListener("input", level);
auto.addEventListener("change", level);
for (const name of ["policy", "class"]) form.elements[name].addEventListener("change", limits);
form.addEventListener("submit", async (event) => {
  event.preventDefault();
  alert.hidden = true;
  busy.hidden = false;
  button.disabled = true;
  try {
    const response = await fetch(form.action, { method: "POST", body: new FormData(form) });
    if (response.redirected) {
      location.assign(response.url);
      return;
    }
    alert.textContent = (await response.json()).error;
    alert.hidden = false;
  } catch (error) {
    alert.textContent = String(error.message ?? error);
    alert.hidden = false;
  }
  busy.hidden = true;
  button.disabled = false;
});
level();
