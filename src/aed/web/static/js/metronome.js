// A beat at 110 a minute, in the middle of 100 to 120: a sound, and a count from 1 to 30.
const PER_MINUTE = 110;
const COUNT = 30;
const AHEAD_SECONDS = 0.2;

export function setUpMetronome(button, output) {
  let context = null;
  let timer = 0;
  let next = 0;
  let count = 0;

  function beep(at, strong) {
    const tone = context.createOscillator();
    const loudness = context.createGain();
    tone.frequency.value = strong ? 1320 : 880;
    loudness.gain.setValueAtTime(0.6, at);
    loudness.gain.exponentialRampToValueAtTime(0.001, at + 0.08);
    tone.connect(loudness).connect(context.destination);
    tone.start(at);
    tone.stop(at + 0.1);
  }

  function show(number, inSeconds) {
    setTimeout(() => {
      if (!timer) return;
      output.textContent = String(number);
      output.dataset.beat = String(number % 2);
    }, Math.max(0, inSeconds * 1000));
  }

  function plan() {
    while (next < context.currentTime + AHEAD_SECONDS) {
      count = (count % COUNT) + 1;
      beep(next, count === 1);
      show(count, next - context.currentTime);
      next += 60 / PER_MINUTE;
    }
  }

  function stop() {
    clearInterval(timer);
    timer = 0;
    output.textContent = "";
    button.dataset.running = "false";
    button.textContent = button.dataset.start;
  }

  async function start() {
    context ??= new AudioContext();
    await context.resume();
    count = 0;
    next = context.currentTime + 0.05;
    timer = setInterval(plan, 50);
    button.dataset.running = "true";
    button.textContent = button.dataset.stop;
  }

  if ("AudioContext" in window) {
    button.hidden = false;
    button.addEventListener("click", () => (timer ? stop() : start()));
  }
}
