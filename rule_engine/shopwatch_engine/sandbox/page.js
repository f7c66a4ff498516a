// Looks for news each second and replaces only the incidents that changed, so that nothing flickers and
// what is open stays open. Ages are counted here, so that they are no news.
"use strict";
const board = document.getElementById("board");
let last = "";

function age(seconds) {
  const s = Math.max(0, Math.floor(seconds));
  if (s < 60) return s + " s";
  if (s < 3600) return Math.floor(s / 60) + " min " + (s % 60) + " s";
  if (s < 86400) return Math.floor(s / 3600) + " h " + Math.floor((s % 3600) / 60) + " min";
  return Math.floor(s / 86400) + " d " + Math.floor((s % 86400) / 3600) + " h";
}

function tick() {
  for (const one of board.querySelectorAll("[data-since]")) {
    one.textContent = "for " + age(Date.now() / 1000 - Number(one.dataset.since));
  }
}

function openOnes(root) {
  return [...root.querySelectorAll("details")].map((one) => one.open);
}

function keepOpen(fresh, opened) {
  // the newest entry comes first, so what was open is counted from the end
  const all = [...fresh.querySelectorAll("details")];
  const shift = all.length - opened.length;
  all.forEach((one, i) => { one.open = i === 0 ? opened[0] : i > shift && opened[i - shift]; });
}

function replace(html) {
  const fresh = document.createElement("template");
  fresh.innerHTML = html;
  for (const article of fresh.content.querySelectorAll("article")) {
    const shown = document.getElementById(article.id);
    if (!shown) continue;
    if (shown.source === article.outerHTML) { article.replaceWith(shown); continue; }
    article.source = article.outerHTML;
    keepOpen(article, openOnes(shown));
  }
  for (const article of fresh.content.querySelectorAll("article")) {
    article.source = article.source || article.outerHTML;
  }
  board.replaceChildren(fresh.content);
  const open = board.querySelector(".counts").dataset.open;
  document.title = open + " open - pager sandbox";
  tick();
}

async function look() {
  try {
    const answer = await fetch("/fragment", { cache: "no-store" });
    const html = await answer.text();
    if (answer.ok && html !== last) { last = html; replace(html); }
    document.body.classList.toggle("gone", !answer.ok);
  } catch {
    document.body.classList.add("gone");
  }
}

tick();
look();
setInterval(tick, 1000);
setInterval(look, 1000);
