// Scales and their ticks. These functions need no browser: `tests/scale.test.js`.

/** Steps of an axis of time, in seconds. */
const TIME_STEPS = [
  1, 2, 5, 10, 15, 30,
  60, 120, 300, 600, 900, 1_800,
  3_600, 7_200, 10_800, 21_600, 43_200,
  86_400, 172_800, 604_800,
];

/**
 * The ticks from 0 to at least `most`, at a step that people count in.
 *
 * @param {number} most
 * @param {number} wanted about how many steps
 */
export function countTicks(most, wanted = 4) {
  const rough = Math.max(most, 1) / wanted;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = Math.max(1, power * ([1, 2, 5].find((factor) => factor * power >= rough) ?? 10));
  const steps = Math.max(1, Math.ceil(most / step));
  return Array.from({ length: steps + 1 }, (_, index) => index * step);
}

/** @param {number} rough seconds */
const timeStep = (rough) => TIME_STEPS.find((step) => step >= rough) ?? Math.ceil(rough / 604_800) * 604_800;

/**
 * The ticks of a duration, from 0 to at least `most` seconds.
 *
 * @param {number} most
 * @param {number} wanted
 */
export function durationTicks(most, wanted = 4) {
  const step = timeStep(Math.max(most, 1) / wanted);
  const steps = Math.max(1, Math.ceil(most / step));
  return Array.from({ length: steps + 1 }, (_, index) => index * step);
}

/**
 * The ticks of a stretch of time, as seconds since its origin.
 *
 * @param {number} from seconds since the origin
 * @param {number} to
 * @param {number} wanted about how many
 */
export function stretchTicks(from, to, wanted) {
  const step = timeStep((to - from) / Math.max(wanted, 1));
  const ticks = [];
  for (let tick = Math.ceil(from / step) * step; tick <= to; tick += step) ticks.push(tick);
  return ticks;
}

/**
 * A duration in its largest unit or two, for axes: `90 s`, `15 min`, `1:30 h`, `2 d`.
 *
 * @param {number} seconds
 */
export function tickText(seconds) {
  if (seconds === 0) return "0";
  if (seconds < 60) return seconds + " s";
  if (seconds < 3_600) return seconds % 60
    ? Math.floor(seconds / 60) + ":" + String(seconds % 60).padStart(2, "0") + " min"
    : seconds / 60 + " min";
  if (seconds % 86_400 === 0) return seconds / 86_400 + " d";
  const minutes = Math.floor(seconds / 60) % 60;
  return Math.floor(seconds / 3_600) + (minutes ? ":" + String(minutes).padStart(2, "0") : "") + " h";
}
