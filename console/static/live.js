// Keeps an open page up to date: rows of the worklist and what needs a person. Without a script, pages are as they were
// when they were opened. Only a page that is seen listens, as a browser has few connections for a site.
(() => {
  "use strict";

  const QUIET_MS = 25000, TRY_AGAIN_MS = 30000;
  const words = document.currentScript.dataset; // in the language of the page
  const list = document.getElementById("worklist");
  const status = document.getElementById("live");
  const address = list ? `/live?rows=1&${list.dataset.live.slice(1)}` : "/live";
  let source = null, watchdog = 0, retry = 0, stale = false;

  function say(live, why) {
    if (!status) return;
    const text = live ? words.live : `${words.off}${why ? `: ${why}` : ""}`;
    if (status.textContent !== text) status.textContent = text;
    status.classList.toggle("off", !live);
    status.hidden = false;
  }

  function heard() {
    clearTimeout(watchdog);
    watchdog = setTimeout(() => { say(false, words.console); again(); }, QUIET_MS);
    say(!stale, words.database);
  }

  function again() {
    close();
    retry = setTimeout(open, TRY_AGAIN_MS);
  }

  function close() {
    clearTimeout(watchdog);
    clearTimeout(retry);
    if (source) source.close();
    source = null;
  }

  function open() {
    close();
    if (document.hidden) return;
    source = new EventSource(address);
    source.addEventListener("state", event => {
      const now = JSON.parse(event.data).now;
      stale = now === "stale";
      heard();
      if (now === "crowded") { close(); say(false, words.crowded); }
    });
    source.addEventListener("beat", heard);
    source.addEventListener("rows", event => { heard(); if (list) replace(list, JSON.parse(event.data).html); });
    source.addEventListener("bell", event => { heard(); ring(JSON.parse(event.data).html); });
    source.addEventListener("error", () => {
      const gone = source.readyState === EventSource.CLOSED;
      say(false, gone ? words.reload : words.console);
      if (gone) again();
    });
  }

  function ring(html) {
    const bell = document.getElementById("bell");
    const fresh = document.createElement("template");
    fresh.innerHTML = html;
    const opened = bell.querySelector("details[open]"), now = fresh.content.querySelector("details");
    const copy = now && now.cloneNode(true);
    if (opened && copy) copy.open = true;
    const shown = bell.querySelector("details, .none");
    if (shown && shown.isEqualNode(copy || fresh.content.querySelector(".none"))) return;
    const index = focusable(bell).indexOf(document.activeElement);
    if (opened && now) now.open = true;
    bell.replaceChildren(fresh.content);
    const target = index >= 0 && (focusable(bell)[index] || focusable(bell)[0]);
    if (target) target.focus({ preventScroll: true });
  }

  // Puts new content in the place of what is shown, row by row: what has not changed is not touched, so focus, selection
  // and open menus stay; what is on the screen stays where it is.
  function replace(place, html) {
    const fresh = document.createElement("template");
    fresh.innerHTML = html;
    const anchor = firstSeen(place);
    const top = anchor ? anchor.getBoundingClientRect().top : 0;
    const body = place.querySelector("tbody"), freshBody = fresh.content.querySelector("tbody");
    const focused = focusIn(place);
    if (body && freshBody) {
      merge(body, freshBody);
      const foot = place.querySelector("nav.pages"), freshFoot = fresh.content.querySelector("nav.pages");
      if (foot && freshFoot && foot.innerHTML !== freshFoot.innerHTML) foot.innerHTML = freshFoot.innerHTML;
    } else {
      place.replaceChildren(fresh.content);
    }
    if (anchor && anchor.isConnected && scrollY > 0) scrollBy(0, anchor.getBoundingClientRect().top - top);
    if (focused) refocus(place, focused);
  }

  function merge(body, freshBody) {
    const known = new Map([...body.rows].map(row => [row.dataset.key, row]));
    let before = body.firstElementChild;
    for (const row of [...freshBody.rows]) {
      const old = known.get(row.dataset.key);
      known.delete(row.dataset.key);
      if (old && same(old, row)) {
        if (old === before) before = before.nextElementSibling;
        else body.insertBefore(old, before);
        continue;
      }
      if (old) {
        if (old === before) before = before.nextElementSibling;
        old.replaceWith(row);
      }
      body.insertBefore(row, before);
      row.classList.add("changed");
    }
    for (const old of known.values()) old.remove();
  }

  function same(old, row) {
    const copy = old.cloneNode(true);
    copy.classList.remove("changed");
    return copy.isEqualNode(row);
  }

  function firstSeen(place) {
    return [...place.querySelectorAll("tr[data-key]")].find(row => row.getBoundingClientRect().bottom > 0);
  }

  function focusIn(place) {
    const row = place.contains(document.activeElement) && document.activeElement.closest("tr[data-key]");
    return row ? { key: row.dataset.key, index: focusable(row).indexOf(document.activeElement) } : null;
  }

  function refocus(place, { key, index }) {
    if (place.contains(document.activeElement)) return;
    const row = [...place.querySelectorAll("tr[data-key]")].find(row => row.dataset.key === key);
    const target = row && focusable(row)[index];
    if (target) target.focus({ preventScroll: true });
  }

  function focusable(row) {
    return [...row.querySelectorAll("a[href], button, input, summary")];
  }

  document.addEventListener("visibilitychange", () => document.hidden ? close() : open());
  addEventListener("pagehide", close);
  addEventListener("pageshow", event => { if (event.persisted) open(); });
  open();
})();
