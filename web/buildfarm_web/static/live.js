// Live parts on top of pages that are complete without this. The hub tells when something happened (server-sent events):
// the parts marked data-live are then read anew, and the log grows at its end. Where the hub cannot tell, the page asks.
"use strict";

(() => {
  const main = document.getElementById("main");
  const SLOWLY = 10;  // times the page's own pace: figures like "3 min so far" grow without an event
  const MOST_LINES = 20000;
  const calm = matchMedia("(prefers-reduced-motion: reduce)");
  const part = (id) => document.getElementById(id);

  // ---- parts of the page

  const nameOf = (details) => details.id || details.querySelector("summary").textContent.trim();

  function exchange(old, fresh) {
    const known = new Map([...old.querySelectorAll("details")].map((details) => [nameOf(details), details.open]));
    for (const details of fresh.querySelectorAll("details")) {
      if (known.has(nameOf(details))) details.open = known.get(nameOf(details));
    }
    const scrolled = [...old.querySelectorAll(".scroll, pre")].map((box) => [box.scrollLeft, box.scrollTop]);
    old.replaceWith(fresh);
    fresh.querySelectorAll(".scroll, pre").forEach((box, n) => {
      if (scrolled[n]) [box.scrollLeft, box.scrollTop] = scrolled[n];
    });
  }

  function isInUse(old, fresh) {
    if (old.contains(document.activeElement) && document.activeElement.matches("input, select, textarea")) return true;
    if (old.querySelector(".action[open]")) return true;  // somebody writes a reason
    if (old.dataset.live !== "log") return false;
    const [log, theirs] = [old.querySelector("#log-text"), fresh.querySelector("#log-text")];
    return Boolean(log && theirs && log.dataset.streamed && log.dataset.stream === theirs.dataset.stream);
  }

  async function refresh() {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
    if (!answer.ok) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const fresh of page.querySelectorAll("[data-live]")) {
      const old = part(fresh.id);
      if (!old) { location.reload(); return; }
      if (isInUse(old, fresh) || old.innerHTML === fresh.innerHTML) continue;
      const followed = part("follow")?.checked;
      exchange(old, document.adoptNode(fresh));
      if (old.dataset.live === "log") equipLog(followed ?? true);
    }
    document.title = page.title;
    const [stamp, newStamp] = [document, page].map((one) => one.querySelector("footer time"));
    if (stamp && newStamp) stamp.replaceWith(document.adoptNode(newStamp));
    main.dataset.refresh = page.getElementById("main").dataset.refresh || "";
  }

  // ---- when to read them anew

  let changes = null, timer = 0, deafUntil = 0, busy = false, again = false;
  const isDeaf = () => Date.now() < deafUntil;

  async function readAnew() {
    again = busy;
    if (busy) return;
    busy = true;
    await refresh().catch(() => {});
    busy = false;
    if (again) readAnew(); else follow();
  }

  function follow() {
    clearTimeout(timer);
    const pace = Number(main.dataset.refresh);
    part("following").hidden = !pace;
    if (!pace || document.hidden) { changes?.close(); changes = null; }
    if (pace && !document.hidden) {
      if (!changes && !isDeaf()) listen();
      timer = setTimeout(readAnew, 1000 * pace * (changes && !part("log-awaited") ? SLOWLY : 1));
    }
    followLog();
  }

  function listen() {
    const since = document.querySelector("footer time")?.dateTime || "";
    changes = new EventSource("/live/changes?" + new URLSearchParams({ subject: main.dataset.subject || "", since }));
    changes.addEventListener("change", readAnew);
    changes.addEventListener("error", () => {
      if (changes?.readyState !== EventSource.CLOSED) return;  // the browser tries again by itself
      changes = null;
      poll();
    });
  }

  function poll() {  // the hub has no room, or cannot tell: ask it again in a minute
    deafUntil = Date.now() + 60000;
    follow();
  }

  document.addEventListener("visibilitychange", () => (document.hidden ? follow() : readAnew()));

  // ---- the log

  let stream = null;

  function followLog() {
    const log = part("log-text");
    if (stream && (document.hidden || stream.log !== log)) { stream.source.close(); stream = null; }
    if (!log || stream || document.hidden || isDeaf() || log.dataset.growing !== "1") return;
    const source = new EventSource(`${log.dataset.stream}&offset=${log.dataset.offset}`);
    stream = { log, source };
    source.addEventListener("lines", (event) => {
      append(log, JSON.parse(event.data));
      [log.dataset.streamed, log.dataset.offset] = ["1", event.lastEventId];
    });
    source.addEventListener("again", () => log.replaceChildren());
    source.addEventListener("end", () => {
      source.close();
      stream = null;
      log.dataset.growing = "0";
      if (part("growing")) part("growing").hidden = true;
      readAnew();
    });
    source.addEventListener("error", () => {
      if (source.readyState !== EventSource.CLOSED) return;
      stream = null;
      delete log.dataset.streamed;  // the log is a part like the others then
      poll();
    });
  }

  function append(log, lines) {
    const fresh = document.createDocumentFragment();
    let last = log.lastElementChild;
    for (const [offset, text, isError] of lines) {
      if (!last || last.textContent.endsWith("\n")) {
        last = document.createElement("span");
        last.className = "line";
        last.dataset.offset = offset;
        fresh.append(last);
      }
      last.append(text);
      if (isError) last.classList.add("err");
    }
    log.append(fresh);
    while (log.childElementCount > MOST_LINES) log.firstElementChild.remove();
    if (part("follow").checked) log.scrollTop = log.scrollHeight;
    part("next-error").hidden = !log.querySelector(".err");
  }

  function show(log, line) {
    log.querySelector(".found")?.classList.remove("found");
    line.classList.add("found");
    part("follow").checked = false;
    const top = line.offsetTop - log.offsetTop - log.clientHeight / 2;
    log.scrollTo({ top, behavior: calm.matches ? "auto" : "smooth" });
  }

  function showNextError() {
    const log = part("log-text");
    const errors = [...log.querySelectorAll(".err")];
    const next = (errors.indexOf(log.querySelector(".found")) + 1) % errors.length;
    show(log, errors[next]);
    part("log-said").textContent = `${next + 1} of ${errors.length} marked here`;
  }

  async function search(event) {
    event.preventDefault();
    const form = event.target, list = part("log-hits");
    const asked = new URLSearchParams(new FormData(form));
    const answer = await fetch(`${form.dataset.search}?${asked}`);
    const found = await answer.json();
    list.replaceChildren(...(found.hits || []).map((hit) => hitOf(form, asked, hit)));
    list.hidden = !list.childElementCount;
    const count = list.childElementCount, more = found.next ? " and more" : "";
    part("log-said").textContent = answer.ok ? `${count || "no"}${more} line${count === 1 ? "" : "s"} found` : found.detail;
  }

  function hitOf(form, asked, hit) {
    const item = document.createElement("li"), link = document.createElement("a"), text = document.createElement("code");
    link.href = `${form.action}?${new URLSearchParams({ task: asked.get("task"), line: hit.number })}#L${hit.number}`;
    link.textContent = `line ${hit.number}`;
    text.textContent = hit.text;
    if (hit.error) text.className = "err";
    link.addEventListener("click", (event) => {
      const line = part("log-text").querySelector(`[data-offset="${hit.offset}"]`);
      if (!line || event.ctrlKey || event.metaKey || event.shiftKey) return;  // not among the lines here: to the whole log
      event.preventDefault();
      show(part("log-text"), line);
      part("log-text").focus({ preventScroll: true });
    });
    item.append(link, " ", text);
    return item;
  }

  function equipLog(isFollowed) {
    const log = part("log-text");
    if (!log) return;
    const [errors, follows] = [log.querySelectorAll(".err"), part("follow")];
    const grows = log.dataset.growing === "1";
    part("follow-label").hidden = !grows;
    part("next-error").hidden = !errors.length;
    follows.checked = isFollowed;
    if (isFollowed) {
      const last = grows ? null : errors[errors.length - 1];
      log.scrollTop = last ? last.offsetTop - log.offsetTop - log.clientHeight / 2 : log.scrollHeight;
    }
    log.addEventListener("scroll", () => { follows.checked = log.scrollHeight - log.scrollTop - log.clientHeight < 4; });
    follows.addEventListener("change", () => { if (follows.checked) log.scrollTop = log.scrollHeight; });
    part("next-error").addEventListener("click", showNextError);
    part("log-search").addEventListener("submit", search);
  }

  equipLog(true);
  follow();
})();
