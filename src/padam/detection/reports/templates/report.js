"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const byId = (id) => document.getElementById(id);
  const verdicts = new Map(data.verdicts);
  const NEAR = 0.015; // of the timeline's width: so near an event is meant
  const MARKS = { genuine: "●", creative_intent: "◆", no_issue: "○" };

  // ------------------------------------------------------------------ what is kept in this browser
  const place = `padam-review/${data.id}`;

  function recall(name, fallback) {
    try {
      return JSON.parse(localStorage.getItem(name)) ?? fallback;
    } catch {
      return fallback;
    }
  }

  function keep(name, value) {
    try {
      localStorage.setItem(name, JSON.stringify(value));
    } catch {
      byId("unkept").hidden = false;
    }
  }

  // ------------------------------------------------------------------ the timeline
  const timeline = byId("timeline");
  const plots = [...timeline.querySelectorAll(".plot")];

  function clock(seconds) {
    const whole = Math.floor(seconds);
    return [whole / 3600, (whole / 60) % 60, whole % 60].map((n) => String(Math.floor(n)).padStart(2, "0")).join(":");
  }

  function shareAt(event, element) {
    const box = element.getBoundingClientRect();
    return Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
  }

  function read(event) {
    const share = shareAt(event, event.currentTarget);
    const seconds = share * data.endS;
    const segment = data.segments.find(([start, end]) => start <= seconds && seconds < end);
    const scores = segment
      ? segment[2].map((score, n) => `${data.names[n]} ${score === null ? "not scored" : score.toFixed(3)}`).join(" · ")
      : "no segment";
    byId("reading").textContent = `${clock(seconds)} · ${scores}${segment && segment[3] ? " · flagged" : ""}`;
    for (const cursor of timeline.querySelectorAll(".cursor")) {
      cursor.hidden = false;
      cursor.style.left = `${100 * share}%`;
    }
  }

  function leave() {
    byId("reading").textContent = "\u00a0";
    for (const cursor of timeline.querySelectorAll(".cursor")) cursor.hidden = true;
  }

  function nearest(seconds) {
    let best = null;
    let least = NEAR * data.endS;
    data.rows.forEach((row, number) => {
      const distance = Math.max(row.start_s - seconds, seconds - row.end_s, 0);
      if (distance <= least && (best === null || distance < least)) [best, least] = [number, distance];
    });
    return best;
  }

  for (const plot of plots) {
    plot.addEventListener("pointermove", read);
    plot.addEventListener("pointerleave", leave);
    plot.addEventListener("click", (event) => {
      const number = nearest(shareAt(event, plot) * data.endS);
      if (number !== null) go(number, true);
    });
  }

  if (!data.rows.length) return;

  // ------------------------------------------------------------------ one event after the other
  const cards = [...document.querySelectorAll("#cards > article")];
  const links = [...document.querySelectorAll("#list a")];
  const said = recall(place, {}); // by event id: {verdict, sub_category, comment, reviewer, reviewed_at}
  let current = 0;

  const idOf = (number) => data.rows[number].event_id;
  const sayingOf = (number) => said[idOf(number)] || {};
  const audioOf = (number) => cards[number].querySelector("audio");

  function go(number, focus) {
    const wanted = Math.min(cards.length - 1, Math.max(0, number));
    audioOf(current)?.pause();
    current = wanted;
    cards.forEach((card, n) => (card.hidden = n !== current));
    links.forEach((link, n) => {
      if (n === current) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
    });
    const list = byId("list");
    const { offsetTop, offsetHeight } = links[current].parentElement;
    if (offsetTop < list.scrollTop || offsetTop + offsetHeight > list.scrollTop + list.clientHeight) {
      list.scrollTop = offsetTop - list.clientHeight / 2;
    }
    for (const span of timeline.querySelectorAll(".event")) {
      span.classList.toggle("current", Number(span.dataset.event) === idOf(current));
    }
    byId("previous").disabled = current === 0;
    byId("next").disabled = current === cards.length - 1;
    if (focus) {
      // not while the page opens: a browser would scroll past its head to the name
      history.replaceState(null, "", `#event-${idOf(current)}`);
      cards[current].querySelector("h3").focus({ preventScroll: true });
      byId("events-heading").scrollIntoView({ block: "start" });
    }
  }

  links.forEach((link, number) =>
    link.addEventListener("click", (event) => {
      event.preventDefault();
      go(number, true);
    }),
  );
  byId("previous").addEventListener("click", () => go(current - 1, true));
  byId("next").addEventListener("click", () => go(current + 1, true));
  byId("unjudged").addEventListener("click", nextUnjudged);
  window.addEventListener("hashchange", () => go(hashed(), true));

  function hashed() {
    const number = links.findIndex((link) => link.getAttribute("href") === location.hash);
    return Math.max(0, number);
  }

  function nextUnjudged() {
    for (let step = 1; step <= cards.length; step += 1) {
      const number = (current + step) % cards.length;
      if (!sayingOf(number).verdict) {
        go(number, true);
        return;
      }
    }
    byId("status").textContent = "Every event is judged.";
  }

  // ------------------------------------------------------------------ sound and its place in the pictures
  async function playOrPause() {
    const audio = audioOf(current);
    if (!audio) {
      byId("status").textContent = "This event has no sound in this report.";
      return;
    }
    if (!audio.paused) {
      audio.pause();
      return;
    }
    try {
      await audio.play();
    } catch (error) {
      if (error.name !== "AbortError") byId("status").textContent = "This browser cannot play the sound.";
    }
  }

  cards.forEach((card) => {
    const audio = card.querySelector("audio");
    const pictures = card.querySelector(".pictures");
    if (!audio || !pictures) return;
    const seconds = Number(pictures.dataset.seconds);
    const heads = pictures.querySelectorAll(".playhead");
    const show = () => {
      for (const head of heads) head.style.left = `${Math.min(100, (100 * audio.currentTime) / seconds)}%`;
      if (!audio.paused) requestAnimationFrame(show);
    };
    for (const event of ["playing", "timeupdate", "seeked"]) audio.addEventListener(event, show);
    for (const plot of pictures.querySelectorAll(".plot")) {
      plot.addEventListener("click", (event) => {
        const wanted = shareAt(event, plot) * seconds;
        const seek = () => (audio.currentTime = wanted);
        if (audio.readyState > 0) seek();
        else {
          audio.addEventListener("loadedmetadata", seek, { once: true });
          audio.load();
          audio.preload = "auto";
        }
      });
    }
  });

  // ------------------------------------------------------------------ verdicts
  function tell() {
    const judged = data.rows.filter((_, n) => sayingOf(n).verdict).length;
    byId("judged").textContent = `${judged} of ${cards.length} judged`;
    byId("progress").value = judged;
    links.forEach((link, n) => {
      const { verdict } = sayingOf(n);
      const mark = link.querySelector(".mark");
      mark.textContent = verdict ? MARKS[verdict] : "";
      mark.title = verdict ? verdicts.get(verdict) : "";
      if (verdict) {
        mark.setAttribute("role", "img");
        mark.setAttribute("aria-label", verdicts.get(verdict));
      } else {
        mark.removeAttribute("role");
        mark.removeAttribute("aria-label");
      }
    });
  }

  function say(number, change) {
    said[idOf(number)] = {
      ...sayingOf(number),
      ...change,
      reviewer: byId("reviewer").value.trim(),
      reviewed_at: new Date().toISOString(),
    };
    keep(place, said);
    tell();
  }

  function judge(number, verdict) {
    for (const input of cards[number].querySelectorAll("input[type=radio]")) input.checked = input.value === verdict;
    say(number, { verdict });
    byId("status").textContent = verdict
      ? `Event ${idOf(number)}: ${verdicts.get(verdict)}. ${byId("judged").textContent}.`
      : `Event ${idOf(number)}: no verdict.`;
  }

  cards.forEach((card, number) => {
    const { verdict, sub_category: sub, comment } = sayingOf(number);
    for (const input of card.querySelectorAll("input[type=radio]")) {
      input.checked = input.value === verdict;
      input.addEventListener("change", () => judge(number, input.value));
    }
    card.querySelector(".clear").addEventListener("click", () => judge(number, ""));
    for (const [field, value, name] of [[".sub", sub, "sub_category"], [".comment", comment, "comment"]]) {
      const input = card.querySelector(field);
      input.value = value || "";
      input.addEventListener("input", () => say(number, { [name]: input.value }));
    }
    card.querySelector("form").addEventListener("submit", (event) => event.preventDefault());
  });

  byId("reviewer").value = recall("padam-review/reviewer", "");
  byId("reviewer").addEventListener("input", () => keep("padam-review/reviewer", byId("reviewer").value.trim()));

  // ------------------------------------------------------------------ keys
  const KEYS = {
    j: () => go(current + 1, true),
    k: () => go(current - 1, true),
    n: nextUnjudged,
    s: () => cards[current].querySelector(".sub").focus(),
    c: () => cards[current].querySelector(".comment").focus(),
    0: () => judge(current, ""),
  };
  [...verdicts.keys()].forEach((verdict, n) => (KEYS[n + 1] = () => judge(current, verdict)));
  const ARROWS = { ArrowDown: "j", ArrowRight: "j", ArrowUp: "k", ArrowLeft: "k" };

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || event.isComposing) return;
    const { target, key } = event;
    if (target.matches("input[type=text], textarea")) {
      if (key === "Escape") cards[current].querySelector("h3").focus({ preventScroll: true });
      return;
    }
    // what has the focus keeps the keys that it answers to by itself
    const own = target.matches("button, audio") || (target.matches("input[type=radio]") && key in ARROWS);
    if (own && (key === " " || key === "Enter" || key in ARROWS)) return;
    const action = key === " " ? playOrPause : KEYS[ARROWS[key] || key];
    if (!action) return;
    event.preventDefault();
    if (!event.repeat || key in ARROWS) action();
  });

  // ------------------------------------------------------------------ export
  function cell(value) {
    const text = String(value ?? "");
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  }

  // a spreadsheet would take such a text for a formula
  const guarded = (text) => (text && data.guarded.includes(text[0]) ? data.guard + text : text || "");

  function csv() {
    const rows = data.rows.map((row, number) => {
      const { verdict = "", sub_category: sub, comment, reviewer, reviewed_at: at = "" } = sayingOf(number);
      const whole = {
        ...row,
        title: guarded(row.title),
        verdict,
        sub_category: guarded((sub || "").trim()),
        comment: guarded(comment),
        reviewer: guarded(reviewer || byId("reviewer").value.trim()),
        reviewed_at: at,
      };
      return data.columns.map((name) => cell(whole[name])).join(",");
    });
    return [data.columns.join(","), ...rows].join("\r\n") + "\r\n";
  }

  byId("export").addEventListener("click", () => {
    const link = document.createElement("a");
    // the mark at the beginning tells spreadsheets that it is UTF-8
    link.href = URL.createObjectURL(new Blob(["\ufeff", csv()], { type: "text/csv;charset=utf-8" }));
    const name = data.file.replace(/[^\p{L}\p{N}._-]+/gu, "_").slice(0, 80);
    link.download = `verdicts_${name}_${data.id}.csv`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60000);
    byId("status").textContent = "The verdicts are exported.";
  });

  tell();
  go(hashed(), false);
})();
