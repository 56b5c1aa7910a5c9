"use strict";
(() => {
  const test = JSON.parse(document.getElementById("test").textContent);
  const byId = (id) => document.getElementById(id);
  const LISTENER = /^[a-z0-9][a-z0-9._-]{0,31}$/;
  const TONE = { seconds: 0.5, fadeSeconds: 0.05, hertz: 500, amplitude: 0.1, patienceSeconds: 5 };

  // ------------------------------------------------------------------ what is kept in this browser
  const place = (name) => `padam-listening-test/${test.id}/${name}`;

  function recall(name) {
    try {
      return JSON.parse(localStorage.getItem(place(name)));
    } catch {
      return null;
    }
  }

  function keep(name, value) {
    try {
      localStorage.setItem(place(name), JSON.stringify(value));
    } catch {
      byId("unkept").hidden = false;
    }
  }

  let answers = null; // {listener, session, headphones, practised, ratings: [{item, score, seconds, session}]}
  let order = [];

  const keepAnswers = () => keep(`answers/${answers.listener}`, answers);

  // ------------------------------------------------------------------ the listener's own order
  // FNV-1a with the last steps of MurmurHash3, 32 bits: the same listener gets the same order again.
  function hash(text) {
    let h = 0x811c9dc5;
    for (let i = 0; i < text.length; i += 1) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
    h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
    h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
    return (h ^ (h >>> 16)) >>> 0;
  }

  function ordered(items, listener) {
    return items
      .map((item) => [hash(`${test.id}/${listener}/${item}`), item])
      .sort((a, b) => a[0] - b[0] || (a[1] < b[1] ? -1 : 1))
      .map(([, item]) => item);
  }

  // ------------------------------------------------------------------ screens
  function show(screen) {
    for (const section of document.querySelectorAll("main > section")) {
      section.hidden = section.id !== screen;
    }
    scrollTo(0, 0);
    const heading = byId(screen).querySelector("h1");
    document.title = heading.textContent || "Listening test";
    heading.focus();
  }

  const isShown = (screen) => !byId(screen).hidden;
  const counted = () => Math.max(0, answers.ratings.length - test.training.length);

  function proceed() {
    if (test.headphonesCheck && !answers.headphones) startTones();
    else if (answers.ratings.length === order.length) showEnd();
    else if (answers.ratings.length === 0 && !trial && !isShown("scale")) show("scale");
    else if (answers.ratings.length === test.training.length && test.training.length && !answers.practised) show("ready");
    else startTrial();
  }

  // ------------------------------------------------------------------ who listens
  const typed = () => byId("listener").value.trim().toLowerCase();

  function tellResume() {
    const known = LISTENER.test(typed()) ? recall(`answers/${typed()}`) : null;
    const rated = known ? Math.max(0, known.ratings.length - test.training.length) : 0;
    byId("resume").textContent = known
      ? `Welcome back: ${rated} of ${test.trials.length} clips are rated. You go on where you stopped.`
      : "";
    byId("begin").textContent = known ? "Go on" : "Start";
  }

  byId("listener").addEventListener("input", tellResume);

  byId("who").addEventListener("submit", (event) => {
    event.preventDefault();
    const listener = typed();
    const valid = LISTENER.test(listener);
    byId("listener").setAttribute("aria-invalid", String(!valid));
    byId("listener-error").textContent = valid
      ? ""
      : "Give an id that starts with a letter or digit and has only letters, digits, dots, hyphens and underscores.";
    if (!valid) {
      byId("listener").focus();
      return;
    }
    answers = recall(`answers/${listener}`) || { listener, session: 0, headphones: false, practised: false, ratings: [] };
    answers.session += 1;
    order = [...ordered(test.training, listener), ...ordered(test.trials, listener)];
    keep("listener", listener);
    keepAnswers();
    restedAt = performance.now();
    proceed();
  });

  // ------------------------------------------------------------------ headphones
  let audioContext = null;
  let tonePlays = false;
  let tones = [];
  let toneAnswers = [];

  function shuffled(values) {
    const drawn = [...values];
    for (let i = drawn.length - 1; i > 0; i -= 1) {
      const j = Math.floor(Math.random() * (i + 1));
      [drawn[i], drawn[j]] = [drawn[j], drawn[i]];
    }
    return drawn;
  }

  // A browser that finds no device to play on lets wait for ever.
  const silence = (seconds) =>
    new Promise((_, fail) => {
      setTimeout(() => fail(new Error("no sound device answers")), 1000 * seconds);
    });

  function startTones() {
    const sides = ["left", "right", "both"];
    tones = shuffled([...sides, ...shuffled([...sides, ...sides]).slice(0, test.tones - sides.length)]);
    toneAnswers = [];
    show("headphones");
    offerTone();
  }

  function offerTone() {
    byId("tone-progress").textContent = `Tone ${toneAnswers.length + 1} of ${tones.length}`;
    byId("sides").disabled = true;
    byId("tone").focus();
  }

  byId("tone").addEventListener("click", async () => {
    if (tonePlays) return;
    tonePlays = true;
    byId("tone-error").textContent = "";
    try {
      audioContext = audioContext || new AudioContext();
      await Promise.race([audioContext.resume(), silence(TONE.patienceSeconds)]);
      const rate = audioContext.sampleRate;
      const buffer = audioContext.createBuffer(2, Math.round(TONE.seconds * rate), rate);
      const side = tones[toneAnswers.length];
      for (const [channel, alone] of [[0, "left"], [1, "right"]]) {
        if (side !== alone && side !== "both") continue;
        const samples = buffer.getChannelData(channel);
        for (let n = 0; n < samples.length; n += 1) {
          const edge = Math.min(n, samples.length - n) / (TONE.fadeSeconds * rate);
          samples[n] = TONE.amplitude * Math.min(1, edge) * Math.sin((2 * Math.PI * TONE.hertz * n) / rate);
        }
      }
      const source = new AudioBufferSourceNode(audioContext, { buffer });
      source.connect(audioContext.destination);
      source.addEventListener("ended", () => {
        tonePlays = false;
        byId("sides").disabled = false;
      });
      source.start();
    } catch (error) {
      tonePlays = false;
      byId("tone-error").textContent = `No tone can be played (${error.message}). Connect your headphones and try again, or take another browser.`;
    }
  });

  for (const button of document.querySelectorAll("[data-side]")) {
    button.addEventListener("click", () => {
      toneAnswers.push(button.dataset.side);
      if (toneAnswers.length < tones.length) {
        offerTone();
        return;
      }
      const right = tones.filter((side, n) => side === toneAnswers[n]).length;
      if (right === tones.length) {
        answers.headphones = true;
        keepAnswers();
        proceed();
      } else {
        byId("tone-result").textContent = `You placed ${right} of ${tones.length} tones where they were played; all are needed.`;
        show("headphones-failed");
      }
    });
  }

  byId("retry").addEventListener("click", startTones);
  byId("to-trials").addEventListener("click", proceed);
  byId("to-rating").addEventListener("click", () => {
    answers.practised = true;
    keepAnswers();
    proceed();
  });

  // ------------------------------------------------------------------ one clip
  const clips = new Map(); // item -> {audio, url}; this clip and the next, which loads meanwhile
  let trial = null; // {item, audio, heard, spent, since}
  let restedAt = 0;

  function open(item) {
    if (clips.has(item)) return clips.get(item);
    const inlined = byId(`audio-${item}`);
    let url = `audio/${item}.flac`;
    if (inlined) {
      const bytes = Uint8Array.from(atob(inlined.textContent), (letter) => letter.charCodeAt(0));
      url = URL.createObjectURL(new Blob([bytes], { type: "audio/flac" }));
    }
    const audio = new Audio();
    audio.preload = "auto";
    audio.src = url;
    for (const name of ["playing", "pause", "ended", "timeupdate", "error"]) {
      audio.addEventListener(name, () => {
        if (trial && trial.audio === audio) follow(name);
      });
    }
    clips.set(item, { audio, url });
    return clips.get(item);
  }

  function startTrial() {
    const number = answers.ratings.length;
    const practice = number < test.training.length;
    const item = order[number];
    if (!trial || trial.item !== item) {
      for (const [other, { url }] of clips) {
        if (other === item) continue;
        if (url.startsWith("blob:")) URL.revokeObjectURL(url);
        clips.delete(other);
      }
      trial = { item, audio: open(item).audio, heard: 0, spent: 0, since: null };
      if (number + 1 < order.length) open(order[number + 1]);
      byId("rate").reset();
      byId("play-error").textContent = "";
    } else if (trial.spent > 0) {
      trial.since = performance.now();
    }
    const [at, of] = practice
      ? [number, test.training.length]
      : [number - test.training.length, test.trials.length];
    byId("place").textContent = `${practice ? "Practice" : "Clip"} ${at + 1} of ${of}`;
    byId("progress").max = of;
    byId("progress").value = at;
    show("trial");
    byId("play").focus();
    update("");
    if (trial.audio.error) follow("error");
  }

  function heardEnough() {
    const { duration } = trial.audio;
    return Number.isFinite(duration) && trial.heard >= test.minHeardShare * duration;
  }

  const chosen = () => document.querySelector("#scores input:checked");

  function update(status) {
    const { audio, heard } = trial;
    const known = Number.isFinite(audio.duration) && audio.duration > 0;
    byId("play").textContent = audio.paused ? "Play" : "Stop";
    byId("heard").style.width = known ? `${(100 * Math.min(audio.currentTime, audio.duration)) / audio.duration}%` : "0";
    byId("scores").disabled = !heardEnough();
    byId("next").disabled = !heardEnough() || !chosen();
    if (status !== null) byId("status").textContent = status;
    if (!heard && status === "") byId("status").textContent = "Listen first, then rate.";
  }

  function follow(event) {
    const { audio } = trial;
    const before = heardEnough();
    if (event === "playing") {
      if (trial.since === null) trial.since = performance.now();
      update("Playing");
      return;
    }
    if (event === "error") {
      byId("play-error").textContent =
        `This clip cannot be played (audio/${trial.item}.flac). See that the folder “audio” lies beside this page, ` +
        "load the page again, or take another browser.";
      return;
    }
    trial.heard = Math.max(trial.heard, event === "ended" ? audio.duration : audio.currentTime);
    const enough = heardEnough();
    if (event === "timeupdate") update(enough && !before ? "You can rate now." : null);
    else update(enough ? "You can rate now." : "Stopped. It cannot be rated before it has been heard.");
  }

  async function playOrStop() {
    if (!trial.audio.paused) {
      trial.audio.pause();
      return;
    }
    trial.audio.currentTime = 0;
    try {
      await trial.audio.play();
    } catch (error) {
      if (error.name !== "AbortError") follow("error");
    }
  }

  function leaveTrial() {
    trial.audio.pause();
    if (trial.since !== null) trial.spent += performance.now() - trial.since;
    trial.since = null;
  }

  byId("play").addEventListener("click", playOrStop);
  byId("scores").addEventListener("change", () => update(null));

  byId("rate").addEventListener("submit", (event) => {
    event.preventDefault();
    if (byId("next").disabled) return;
    const score = Number(chosen().value);
    leaveTrial();
    answers.ratings.push({ item: trial.item, score, seconds: trial.spent / 1000, session: answers.session });
    keepAnswers();
    const tired = performance.now() - restedAt > 60000 * test.breakAfterMin;
    if (tired && answers.ratings.length < order.length) showPause(true);
    else proceed();
  });

  document.addEventListener("keydown", (event) => {
    if (!isShown("trial") || event.ctrlKey || event.altKey || event.metaKey) return;
    const onButton = event.target instanceof HTMLButtonElement;
    if (event.key === " " && (!onButton || event.target === byId("play"))) {
      event.preventDefault();
      if (!event.repeat) playOrStop();
    } else if (event.key >= "1" && event.key <= "5" && event.key.length === 1) {
      event.preventDefault();
      rateByKey(event.key);
    } else if (event.key === "Enter" && !onButton) {
      event.preventDefault();
      if (!event.repeat) byId("rate").requestSubmit();
    }
  });

  // A button that has the focus would be pressed a second time when the key comes up.
  document.addEventListener("keyup", (event) => {
    if (isShown("trial") && event.key === " " && event.target === byId("play")) event.preventDefault();
  });

  function rateByKey(score) {
    if (byId("scores").disabled) {
      byId("status").textContent = "Not yet: it cannot be rated before it has been heard.";
      return;
    }
    const input = document.querySelector(`#scores input[value="${score}"]`);
    input.checked = true;
    input.focus();
    update(null);
  }

  // ------------------------------------------------------------------ pause and end
  function showPause(due) {
    byId("break-due").hidden = !due;
    byId("so-far").textContent = `${counted()} of ${test.trials.length} clips are rated.`;
    show("paused");
  }

  byId("pause").addEventListener("click", () => {
    leaveTrial();
    showPause(false);
  });

  byId("continue").addEventListener("click", () => {
    restedAt = performance.now();
    proceed();
  });

  function csv() {
    const { ratings, listener } = answers;
    const rows = ratings.map(({ item, score, seconds, session }, n) =>
      [test.id, listener, n + 1, item, score, seconds.toFixed(1), session, ratings.length].join(","),
    );
    return ["test,listener,trial,item,score,seconds,session,rows", ...rows].join("\n") + "\n";
  }

  function save() {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([csv()], { type: "text/csv" }));
    link.download = `ratings_${test.id}_${answers.listener}.csv`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60000);
  }

  function showEnd() {
    byId("done").textContent = `All ${test.trials.length} clips are rated, ${answers.listener}.`;
    byId("results").value = csv();
    byId("copied").textContent = "";
    show("end");
  }

  byId("save").addEventListener("click", save);
  byId("save-part").addEventListener("click", save);
  byId("copy").addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(byId("results").value);
    } catch {
      byId("results").select();
      document.execCommand("copy");
    }
    byId("copied").textContent = "Copied";
  });

  byId("listener").value = recall("listener") || "";
  tellResume();
  show("start");
  if (byId("resume").textContent) byId("begin").focus();
})();
