// The player of recordings: the playhead on both voices' waveform, going to where one clicks.
// The browser's own audio controls do the rest (keyboard, volume, seeking).

const parts = (audio) => {
  const player = audio.closest("[data-player]");
  return { wave: player.querySelector("[data-wave]"), error: player.querySelector("[data-player-error]") };
};

function seconds(audio, wave) {
  return Number.isFinite(audio.duration) ? audio.duration : Number(wave.dataset.wave);
}

function showPlayhead(audio) {
  const { wave } = parts(audio);
  if (!wave) return;
  const line = wave.querySelector(".playhead");
  const x = String((audio.currentTime / seconds(audio, wave)) * wave.querySelector("svg").viewBox.baseVal.width);
  line.setAttribute("x1", x);
  line.setAttribute("x2", x);
}

// Media events do not bubble, so listen on the way down.
for (const name of ["timeupdate", "seeking", "loadedmetadata"]) {
  document.addEventListener(name, (event) => {
    if (event.target.closest("[data-player]")) showPlayhead(event.target);
  }, true);
}

document.addEventListener("error", (event) => {
  if (event.target instanceof HTMLMediaElement && event.target.closest("[data-player]")) {
    parts(event.target).error.hidden = false;
  }
}, true);

document.addEventListener("click", (event) => {
  const wave = event.target.closest("[data-wave]");
  if (!wave) return;
  const audio = wave.closest("[data-player]").querySelector("audio");
  const box = wave.querySelector("svg").getBoundingClientRect();
  const part = Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
  const go = () => {
    audio.currentTime = part * seconds(audio, wave);
    audio.play();
  };
  if (audio.readyState >= HTMLMediaElement.HAVE_METADATA) return go();
  // Not play() at once: it would be heard from the beginning until the length is known.
  audio.addEventListener("loadedmetadata", go, { once: true });
  audio.load();
});

// One voice at a time: starting a recording pauses the others.
document.addEventListener("play", (event) => {
  for (const other of document.querySelectorAll("[data-player] audio")) {
    if (other !== event.target) other.pause();
  }
}, true);
