// How a job stands, told by the server while it goes on.

import { compare } from "./compare.js";

const place = document.getElementById("job");
const id = place.dataset.job;
const find = (name) => place.querySelector(`[data-${name}]`);
let made = 0;

async function result() {
  const response = await fetch(`/jobs/${id}/result`);
  if (!response.ok) return;
  place.innerHTML = await response.text();
  compare(place);
}

function show(view) {
  if (!find("stage")) return;
  find("stage").textContent = view.stage;
  find("now").textContent = view.now;
  const bar = find("progress");
  bar.max = Math.max(1, view.total);
  bar.value = view.done;
  const told = view.told.at(-1) ?? "";
  if (find("told").textContent !== told) find("told").textContent = told;
  const glimpse = find("glimpse");
  glimpse.hidden = view.glimpse === null;
  if (view.glimpse !== null) {
    const address = `/jobs/${id}/glimpse/${view.glimpse}`;
    if (glimpse.getAttribute("src") !== address) glimpse.src = address;
  }
}

if (place.dataset.over === undefined) {
  const events = new EventSource(`/jobs/${id}/events`);
  events.addEventListener("message", async (event) => {
    const view = JSON.parse(event.data);
    const over = view.phase !== "waiting" && view.phase !== "running";
    if (over) events.close();
    if (over || view.made !== made) {
      made = view.made;
      await result();
      if (over) place.querySelector("h2")?.setAttribute("tabindex", "-1");
      if (over) place.querySelector("h2")?.focus();
    }
    show(view);
  });
  window.addEventListener("pagehide", () => events.close());
}
