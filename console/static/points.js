// The page of a finding's operating points works without this file. With it, each number has a slider, and the page says
// what would change while it is moved.
"use strict";

const form = document.querySelector("form.points");
const effect = document.getElementById("effect");
const pauseMs = 150;
let timer = 0;
let asked = 0;

async function showEffect() {
  const number = ++asked;
  const query = new URLSearchParams(new FormData(form));
  query.delete("csrf");
  const answer = await fetch(`${form.dataset.effect}?${query}`, { credentials: "same-origin" });
  const text = await answer.text();
  if (number === asked && (answer.ok || answer.status === 400)) effect.innerHTML = text;
}

function soon() {
  clearTimeout(timer);
  timer = setTimeout(showEffect, pauseMs);
}

for (const field of form.querySelectorAll("input[type=number]")) {
  const slider = document.createElement("input");
  slider.type = "range";
  slider.min = field.min;
  slider.max = field.max;
  slider.step = "0.1";
  slider.value = field.value;
  slider.setAttribute("aria-label", form.querySelector(`label[for=${field.id}]`).textContent);
  field.after(slider);
  slider.addEventListener("input", () => {
    field.value = slider.value;
    soon();
  });
  field.addEventListener("input", () => {
    slider.value = field.value;
    soon();
  });
}
