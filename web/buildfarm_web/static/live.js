// Live parts on top of pages that are complete without this: parts marked data-live are read anew while the page is
// looked at, and the log grows at its end.
"use strict";

(() => {
  const main = document.getElementById("main");
  const mark = document.getElementById("following");
  const error = /(?:^|[\s:(\[])(?:fatal error|error|undefined reference|no such file or directory|command not found|cannot find|failed|traceback|segmentation fault|killed|bad exit status)(?:$|[\s:!.,)\]])|^\*\*\*|\*\*\* \[/i;
  const harmless = /\b0 (?:errors?|failed)\b|^checking .*\.\.\.|-Werror|errors?\s*[:=]\s*0\b/i;

  const opened = (part) => new Set([...part.querySelectorAll("details[open]")].map(nameOf));
  const nameOf = (details) => details.id || details.querySelector("summary").textContent.trim();

  function exchange(old, fresh) {
    const known = new Set([...old.querySelectorAll("details")].map(nameOf));
    const open = opened(old);
    for (const details of fresh.querySelectorAll("details")) {
      if (known.has(nameOf(details))) details.open = open.has(nameOf(details));
    }
    const scrolled = [...old.querySelectorAll(".scroll, pre")].map((box) => [box.scrollLeft, box.scrollTop]);
    old.replaceWith(fresh);
    fresh.querySelectorAll(".scroll, pre").forEach((box, n) => {
      if (scrolled[n]) [box.scrollLeft, box.scrollTop] = scrolled[n];
    });
  }

  async function refresh() {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
    if (!answer.ok) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const fresh of page.querySelectorAll("[data-live]")) {
      const old = document.getElementById(fresh.id);
      if (!old) { location.reload(); return; }
      const busy = old.contains(document.activeElement) && document.activeElement.matches("input, select");
      const ownLog = old.dataset.live === "log" && document.getElementById("log-text");
      const filling = old.querySelector(".action[open]");
      if (!busy && !filling && !ownLog && old.innerHTML !== fresh.innerHTML) exchange(old, document.adoptNode(fresh));
    }
    document.title = page.title;
    const stamp = document.querySelector("footer time");
    const newStamp = page.querySelector("footer time");
    if (stamp && newStamp) stamp.replaceWith(document.adoptNode(newStamp));
    main.dataset.refresh = page.getElementById("main").dataset.refresh || "";
    followLog();
  }

  function append(log, text) {
    const last = log.lastElementChild;
    const open = last && !last.textContent.endsWith("\n") ? last : null;
    const lines = ((open ? open.textContent : "") + text).split(/(?<=\n)/);
    if (open) open.remove();
    for (const line of lines) {
      const item = document.createElement("span");
      item.className = error.test(line) && !harmless.test(line) ? "line err" : "line";
      item.textContent = line;
      log.append(item);
    }
    while (log.childElementCount > 20000) log.firstElementChild.remove();
  }

  let following = null;
  async function followLog() {
    const log = document.getElementById("log-text");
    if (!log || log === following || log.dataset.growing !== "1") return;
    following = log;
    const follow = document.getElementById("follow");
    follow.parentElement.hidden = false;
    log.scrollTop = log.scrollHeight;
    while (log.isConnected && log.dataset.growing === "1") {
      await pause(1);
      if (document.hidden) continue;
      try {
        const answer = await fetch(`${log.dataset.url}&offset=${log.dataset.offset}`);
        if (!answer.ok) break;
        const text = await answer.text();
        log.dataset.offset = answer.headers.get("X-Log-Offset");
        log.dataset.growing = answer.headers.get("X-Log-Growing");
        if (text) append(log, text);
        if (text && follow.checked) log.scrollTop = log.scrollHeight;
      } catch { await pause(5); }
    }
  }

  const pause = (seconds) => new Promise((done) => { setTimeout(done, seconds * 1000); });

  function showWhatMatters() {
    const log = document.getElementById("log-text");
    if (!log) return;
    const errors = log.querySelectorAll(".err");
    const first = errors[errors.length - 1];
    log.scrollTop = first ? first.offsetTop - log.offsetTop - log.clientHeight / 2 : log.scrollHeight;
  }

  async function live() {
    showWhatMatters();
    followLog();
    while (main.dataset.refresh) {
      mark.hidden = false;
      await pause(Number(main.dataset.refresh));
      if (!document.hidden) await refresh().catch(() => {});
    }
    mark.hidden = true;
  }

  live();
})();
