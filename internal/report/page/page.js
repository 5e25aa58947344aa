"use strict";
for (const bar of document.querySelectorAll(".slide-bar")) {
  const slide = bar.previousElementSibling;
  const set = () => slide.style.setProperty("--cut", bar.value + "%");
  bar.addEventListener("input", set);
  set();
}
for (const img of document.querySelectorAll(".zoom")) {
  img.tabIndex = 0;
  const turn = () => img.classList.toggle("on");
  img.addEventListener("click", turn);
  img.addEventListener("keydown", (e) => { if (e.key === "Enter") turn(); });
}
document.addEventListener("keydown", (e) => {
  if (e.key === "Escape") for (const img of document.querySelectorAll(".zoom.on")) img.classList.remove("on");
});
document.documentElement.dataset.ready = "yes";
