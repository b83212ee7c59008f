// A field that a file can be dropped on. Without this it is a plain field.

for (const zone of document.querySelectorAll("[data-drop]")) {
  const input = zone.querySelector("input[type=file]");
  const chosen = zone.querySelector("[data-chosen]");
  const preview = zone.querySelector("[data-preview]");
  const clear = zone.querySelector("[data-clear]");

  const show = () => {
    const file = input.files[0];
    zone.classList.toggle("filled", Boolean(file));
    chosen.textContent = file ? file.name : "";
    if (clear) clear.hidden = !file;
    if (!preview) return;
    if (preview.src) URL.revokeObjectURL(preview.src);
    preview.hidden = true;
    preview.removeAttribute("src");
    if (file) preview.src = URL.createObjectURL(file);
  };
  if (preview) {
    preview.addEventListener("load", () => { preview.hidden = false; });
    // What the browser cannot show, such as TIFF, the server may still read.
    preview.addEventListener("error", () => { preview.hidden = true; });
  }
  input.addEventListener("change", show);
  if (zone.dataset.atOnce !== undefined) {
    input.addEventListener("change", () => { if (input.files.length > 0) input.form.requestSubmit(); });
  }
  clear?.addEventListener("click", () => {
    input.value = "";
    input.dispatchEvent(new Event("change", { bubbles: true }));
    input.focus();
  });
  for (const name of ["dragenter", "dragover"]) {
    zone.addEventListener(name, (event) => {
      event.preventDefault();
      zone.classList.add("over");
    });
  }
  for (const name of ["dragleave", "drop"]) {
    zone.addEventListener(name, () => zone.classList.remove("over"));
  }
  zone.addEventListener("drop", (event) => {
    event.preventDefault();
    if (event.dataTransfer.files.length === 0) return;
    input.files = event.dataTransfer.files;
    input.dispatchEvent(new Event("change", { bubbles: true }));
  });
  if (input.files.length > 0) show();
}
