// Search, filter, sort and keys. The page is complete without this script.
"use strict";
(() => {
  const tools = document.querySelector(".tools");
  const tests = [...document.querySelectorAll(".test")];
  const facts = new Map(tests.map((test, index) => [test, {
    index,
    text: test.querySelector("summary, .row").textContent.toLowerCase(),
    name: test.querySelector(".name").textContent,
    seconds: Number(test.dataset.seconds),
    broken: ["failed", "error"].includes(test.dataset.outcome),
  }]));
  const orders = {
    run: (a, b) => a.index - b.index,
    name: (a, b) => a.name.localeCompare(b.name),
    slow: (a, b) => b.seconds - a.seconds,
  };
  const { search, show, sort } = tools.elements;

  const matches = (test, fact, words) =>
    words.every((word) => fact.text.includes(word)) &&
    (!show.value ||
      (show.value === "broken" && fact.broken) ||
      (show.value === "passed" && test.dataset.outcome === "passed") ||
      (show.value === "new" && (test.dataset.since || "").includes("new")));

  const filter = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    let count = 0;
    for (const [test, fact] of facts) {
      test.hidden = !matches(test, fact, words);
      count += !test.hidden;
    }
    for (const group of document.querySelectorAll(".group")) {
      group.hidden = !group.querySelector(".test:not([hidden])");
    }
    tools.querySelector("output").value = `${count} of ${tests.length} tests`;
  };

  const order = () => {
    for (const list of document.querySelectorAll(".tests")) {
      const items = [...list.children].sort((a, b) => orders[sort.value](facts.get(a), facts.get(b)));
      list.append(...items);
    }
  };

  const current = () => document.activeElement.closest(".test");
  const step = (direction) => {
    const shown = [...document.querySelectorAll(".test:not([hidden])")];
    const at = shown.indexOf(current());
    const next = shown[at < 0 ? 0 : Math.min(Math.max(at + direction, 0), shown.length - 1)];
    if (!next) return;
    const folded = next.closest(".group > details");
    if (folded) folded.open = true;
    const target = next.querySelector("summary") || next;
    if (target === next) next.tabIndex = -1;
    target.focus();
    next.scrollIntoView({ block: "nearest" });
  };

  tools.hidden = false;
  tools.addEventListener("submit", (event) => event.preventDefault());
  search.addEventListener("input", filter);
  show.addEventListener("change", filter);
  sort.addEventListener("change", order);
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.matches("input, select, textarea, audio")) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    const actions = {
      "/": () => search.focus(),
      j: () => step(1),
      k: () => step(-1),
      o: () => current()?.querySelector("details")?.toggleAttribute("open"),
      b: () => { show.value = show.value === "broken" ? "" : "broken"; filter(); },
      s: () => { sort.selectedIndex = (sort.selectedIndex + 1) % sort.options.length; order(); },
    };
    if (actions[event.key]) {
      event.preventDefault();
      actions[event.key]();
    }
  });
  const follow = () => {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    for (let details = target?.closest("details"); details; details = details.parentElement.closest("details")) details.open = true;
    target?.querySelector("details")?.setAttribute("open", "");
  };
  addEventListener("hashchange", follow);
  follow();
  filter();
})();
