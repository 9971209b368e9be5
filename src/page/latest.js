// Runs of which only the latest counts. Needs no browser: `tests/latest.test.js`.

/** Work that takes longer than this is followed by a rest, in milliseconds. */
const LONG_MS = 500;

const LONGEST_REST_MS = 30_000;

/** Runs one piece of work at a time, and aborts the one before. */
export class LatestRun {
  /** @type {AbortController | null} */
  #current = null;
  /** A timer starts nothing before this time, so that slow answers do not keep the component busy all the time. */
  #restUntil = 0;

  /**
   * Starts work and aborts what is under way. Work that a timer starts is skipped instead: otherwise a search that
   * takes longer than the timer's interval would never end.
   *
   * After long work, a timer starts nothing for four times as long.
   *
   * @param {(signal: AbortSignal) => Promise<void>} work
   * @param {boolean} byTimer
   */
  async start(work, byTimer = false) {
    if (byTimer && (this.#current || Date.now() < this.#restUntil)) return;
    this.stop();
    const controller = new AbortController();
    this.#current = controller;
    const started = Date.now();
    try {
      await work(controller.signal);
    } finally {
      const took = Date.now() - started;
      if (took > LONG_MS) this.#restUntil = Date.now() + Math.min(4 * took, LONGEST_REST_MS);
      if (this.#current === controller) this.#current = null;
    }
  }

  /** Aborts what is under way. */
  stop() {
    this.#current?.abort();
    this.#current = null;
  }
}
