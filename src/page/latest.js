// Runs of which only the latest counts. Needs no browser: `tests/latest.test.js`.

/** Runs one piece of work at a time, and aborts the one before. */
export class LatestRun {
  /** @type {AbortController | null} */
  #current = null;

  /**
   * Starts work and aborts what is under way. Work that a timer starts is skipped instead: otherwise a search that
   * takes longer than the timer's interval would never end.
   *
   * @param {(signal: AbortSignal) => Promise<void>} work
   * @param {boolean} byTimer
   */
  async start(work, byTimer = false) {
    if (byTimer && this.#current) return;
    this.stop();
    const controller = new AbortController();
    this.#current = controller;
    try {
      await work(controller.signal);
    } finally {
      if (this.#current === controller) this.#current = null;
    }
  }

  /** Aborts what is under way. */
  stop() {
    this.#current?.abort();
    this.#current = null;
  }
}
