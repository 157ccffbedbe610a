"use strict";
// Filters and keys. Without this script the page shows everything, and has no form.
(() => {
  const form = document.getElementById("filters");
  if (!form) return;
  const fields = form.elements;
  const status = document.getElementById("count");
  const articles = [...document.querySelectorAll("article")];
  let texts = null;

  const fits = (article, index, words) =>
    (!fields.severity.value || article.dataset.severity === fields.severity.value) &&
    (!fields.confidence.value || article.dataset.confidence === fields.confidence.value) &&
    (!fields.state.value || article.dataset.state === fields.state.value) &&
    (!fields.fails.checked || article.dataset.fails === "yes") &&
    words.every((word) => texts[index].includes(word));

  const filter = () => {
    const words = fields.text.value.toLowerCase().split(/\s+/).filter(Boolean);
    if (words.length) texts ??= articles.map((article) => article.textContent.toLowerCase());
    let shown = 0;
    articles.forEach((article, index) => {
      article.hidden = !fits(article, index, words);
      shown += article.hidden ? 0 : 1;
    });
    status.textContent = `${shown.toLocaleString("en")} of ${articles.length.toLocaleString("en")} shown`;
  };

  let timer = 0;
  const soon = () => {
    clearTimeout(timer);
    timer = setTimeout(filter, articles.length > 500 ? 150 : 0);
  };

  const move = (step) => {
    const shown = articles.filter((article) => !article.hidden);
    const here = shown.indexOf(document.activeElement.closest("article"));
    const next = shown[here < 0 ? 0 : Math.min(shown.length - 1, Math.max(0, here + step))];
    if (next) {
      next.focus();
      next.scrollIntoView({ block: "start" });
    }
  };

  form.hidden = false;
  document.getElementById("keys").hidden = false;
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", soon);
  form.addEventListener("reset", () => setTimeout(filter, 0));
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const typing = event.target.closest("input:not([type=checkbox]), select");
    if (event.key === "Escape" && event.target === fields.text) {
      fields.text.value = "";
      filter();
    } else if (!typing && event.key === "/") {
      event.preventDefault();
      fields.text.focus();
    } else if (!typing && (event.key === "j" || event.key === "k")) {
      move(event.key === "j" ? 1 : -1);
    }
  });
  // What is folded away would be missing on paper.
  addEventListener("beforeprint", () => {
    for (const details of document.querySelectorAll("details")) details.open = true;
  });
  filter();
})();
