// A drawing that is looked at from near or from far. Without this it is scrolled at its own size.

const STEP = 1.25;
const MOST = 4;

for (const figure of document.querySelectorAll("[data-graph]")) {
  const view = figure.querySelector(".graph");
  const drawing = view.querySelector("svg");
  const told = figure.querySelector("[data-zoom-told]");
  const { width, height } = drawing.viewBox.baseVal;
  let scale = 1;

  const fitting = () => {
    const room = parseFloat(getComputedStyle(view).maxHeight);
    return Math.min(1, view.clientWidth / width, room / height);
  };

  // What is at (x, y) of the window onto the drawing stays there.
  const zoom = (to, x = view.clientWidth / 2, y = view.clientHeight / 2) => {
    const next = Math.min(MOST, Math.max(Math.min(fitting(), 0.25), to));
    const [left, top] = [(view.scrollLeft + x) / scale, (view.scrollTop + y) / scale];
    scale = next;
    drawing.setAttribute("width", width * scale);
    drawing.setAttribute("height", height * scale);
    view.scrollTo(left * scale - x, top * scale - y);
    told.textContent = `${Math.round(100 * scale)} %`;
  };
  const acts = {
    in: () => zoom(scale * STEP),
    out: () => zoom(scale / STEP),
    fit: () => zoom(fitting()),
  };
  for (const button of figure.querySelectorAll("[data-zoom]")) {
    button.addEventListener("click", acts[button.dataset.zoom]);
  }
  figure.querySelector("[data-zooms]").hidden = false;

  view.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const act = { "+": acts.in, "=": acts.in, "-": acts.out, "0": acts.fit }[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  });
  // The wheel alone scrolls the page, as everywhere; pinching a touchpad comes as a wheel with Ctrl.
  view.addEventListener("wheel", (event) => {
    if (!event.ctrlKey) return;
    event.preventDefault();
    const box = view.getBoundingClientRect();
    zoom(scale * Math.exp(-event.deltaY / 200), event.clientX - box.left, event.clientY - box.top);
  }, { passive: false });
  view.addEventListener("dblclick", (event) => {
    if (event.target.closest("a")) return;
    const box = view.getBoundingClientRect();
    zoom(scale * STEP * STEP, event.clientX - box.left, event.clientY - box.top);
  });

  // Dragged by its ground; links stay links.
  view.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || event.pointerType !== "mouse" || event.target.closest("a")) return;
    const from = [event.clientX + view.scrollLeft, event.clientY + view.scrollTop];
    const drag = (move) => view.scrollTo(from[0] - move.clientX, from[1] - move.clientY);
    const end = () => {
      view.classList.remove("dragged");
      window.removeEventListener("pointermove", drag);
    };
    event.preventDefault();
    view.focus({ preventScroll: true });
    view.classList.add("dragged");
    window.addEventListener("pointermove", drag);
    window.addEventListener("pointerup", end, { once: true });
    window.addEventListener("pointercancel", end, { once: true });
  });

  // The picture at hand is in sight, whatever is around it.
  const here = drawing.querySelector("a[aria-current] .box");
  if (here) {
    const { x, y, width: wide, height: high } = here.getBBox();
    view.scrollTo(x + wide / 2 - view.clientWidth / 2, y + high / 2 - view.clientHeight / 2);
  }
}
