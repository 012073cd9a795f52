// The page Analyse works without this file. With it, files can be dropped on the form, too large ones are named
// before they are sent, and the button says that the model is at work.
"use strict";

const form = document.querySelector("form.upload");
const input = form.querySelector("input[type=file]");
const state = document.getElementById("upload-state");
const said = form.dataset; // the words of the page's language
const mostFiles = Number(form.dataset.mostFiles);
const mostBytes = Number(form.dataset.mostBytes);

function problemOf(files) {
  if (files.length > mostFiles) return `${said.tooMany} ${mostFiles}.`;
  const large = [...files].filter((file) => file.size > mostBytes);
  return large.length ? `${said.tooLarge} ${large.map((file) => file.name).join(", ")}.` : "";
}

function showChoice() {
  const problem = problemOf(input.files);
  input.setCustomValidity(problem);
  state.textContent = problem || (input.files.length ? `${said.chosen} ${input.files.length}` : said.hint);
}

input.addEventListener("change", showChoice);
form.addEventListener("submit", () => {
  form.querySelector("button").disabled = true;
  state.textContent = said.atWork;
});
window.addEventListener("pageshow", () => {
  form.querySelector("button").disabled = false;
  showChoice();
});
for (const name of ["dragenter", "dragover"]) {
  document.addEventListener(name, (event) => {
    event.preventDefault();
    form.classList.add("over");
  });
}
document.addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) form.classList.remove("over");
});
document.addEventListener("drop", (event) => {
  event.preventDefault();
  form.classList.remove("over");
  if (!event.dataTransfer.files.length) return;
  input.files = event.dataTransfer.files;
  showChoice();
  if (input.checkValidity()) form.requestSubmit();
});
form.classList.add("droppable");
