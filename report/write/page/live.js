// Fetches the page again and puts the new report in the place of the old one.
// What the reader sees stays where it is: the element that is being read keeps
// its place in the window, what was opened stays open, what has the focus keeps it.
(() => {
  "use strict";
  const every = Number(document.documentElement.dataset.refresh);
  const bar = document.getElementById("live");
  const time = document.getElementById("live-time");
  const state = document.getElementById("live-state");
  const focusable = "a[href], summary, button, [tabindex]";
  let shown = document.getElementById("report").innerHTML;
  let paused = false;

  const button = document.createElement("button");
  button.type = "button";
  button.id = "live-pause";
  button.textContent = "Pause";
  button.setAttribute("aria-pressed", "false");
  button.addEventListener("click", () => {
    paused = !paused;
    button.setAttribute("aria-pressed", String(paused));
    time.textContent = paused ? "paused" : "live";
  });
  bar.append(button);

  // tell announces something to screen readers, once.
  const tell = (text) => {
    if (state.textContent !== text) state.textContent = text;
  };

  // reading is the element with an id that begins above the upper edge of the
  // window and is nearest to it, with its place.
  const reading = (main) => {
    let found = null;
    if (window.scrollY <= 0) return null;
    for (const e of main.querySelectorAll("[id]")) {
      const box = e.getBoundingClientRect();
      if (box.height === 0 || e.ownerSVGElement || box.top > 8) continue;
      if (!found || box.top >= found.top) found = { id: e.id, top: box.top };
    }
    return found;
  };

  // focused says which element has the focus: the how-manieth one inside of
  // the nearest element with an id.
  const focused = (main) => {
    const e = document.activeElement;
    if (!e || e === main || !main.contains(e)) return null;
    const inside = e.closest("[id]");
    return { id: inside.id, index: e === inside ? -1 : [...inside.querySelectorAll(focusable)].indexOf(e) };
  };

  // swap puts fresh in the place of main.
  const swap = (main, fresh) => {
    const place = reading(main);
    const focus = focused(main);
    const open = new Map([...main.querySelectorAll("details[id]")].map((d) => [d.id, d.open]));
    const across = new Map([...main.querySelectorAll(".scroll[id]")].map((s) => [s.id, s.scrollLeft]));
    for (const d of fresh.querySelectorAll("details[id]")) {
      if (open.has(d.id)) d.open = open.get(d.id);
    }
    main.replaceChildren(...document.adoptNode(fresh).childNodes);
    for (const s of main.querySelectorAll(".scroll[id]")) s.scrollLeft = across.get(s.id) ?? 0;
    if (focus) {
      const inside = document.getElementById(focus.id);
      const e = inside && (focus.index < 0 ? inside : inside.querySelectorAll(focusable)[focus.index]);
      if (e) e.focus({ preventScroll: true });
    }
    const anchor = place && document.getElementById(place.id);
    if (anchor) window.scrollBy({ top: anchor.getBoundingClientRect().top - place.top, behavior: "instant" });
  };

  const refresh = async () => {
    // A selection would be lost, and nobody looks at a hidden page.
    if (paused || document.hidden || !getSelection().isCollapsed) return;
    const answer = await fetch(location.href, { cache: "no-store", credentials: "same-origin" });
    if (!answer.ok) throw new Error("status " + answer.status);
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const fresh = page.getElementById("report");
    if (!fresh) throw new Error("no report in the answer");
    if (paused || !getSelection().isCollapsed) return;
    if (fresh.innerHTML !== shown) {
      shown = fresh.innerHTML;
      document.title = page.title;
      swap(document.getElementById("report"), fresh);
    }
    time.textContent = "live, " + new Date().toLocaleTimeString();
    tell("");
  };

  const loop = async () => {
    try {
      await refresh();
    } catch {
      time.textContent = "";
      tell("Not reachable, trying again. What is shown may be old.");
    }
    setTimeout(loop, every);
  };
  setTimeout(loop, every);
})();
