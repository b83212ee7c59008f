// The verdict appears below the form, without another page.

const form = document.getElementById("verify");
const answer = document.getElementById("answer");
const input = form.querySelector("input[type=file]");
const busy = form.querySelector("[data-busy]");
const button = form.querySelector("button");

async function verify() {
  busy.hidden = false;
  button.disabled = true;
  try {
    const response = await fetch(form.action, {
      method: "POST",
      body: new FormData(form),
      headers: { "X-Fragment": "1" },
    });
    answer.innerHTML = await response.text();
    document.querySelector("section.three")?.remove();
    (answer.querySelector("h2") ?? answer.querySelector("[role=alert]"))?.focus();
  } catch {
    // The server has gone: the browser says it better.
    form.submit();
  } finally {
    busy.hidden = true;
    button.disabled = false;
  }
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  verify();
});
// Whoever drops a picture wants to know.
input.addEventListener("change", () => { if (input.files.length > 0) verify(); });
