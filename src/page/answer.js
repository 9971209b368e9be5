// What an answer of the API means. These functions need no browser: `tests/answer.test.js`.

/** An answer that is not what was asked for. */
export class ApiError extends Error {
  /**
   * @param {string} message
   * @param {Problem[]} problems
   * @param {boolean} tokenRefused
   */
  constructor(message, problems = [], tokenRefused = false) {
    super(message);
    this.problems = problems;
    this.tokenRefused = tokenRefused;
  }
}

/** @param {string} text */
function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/**
 * The body of an answer. Throws an `ApiError` if it is a problem document (RFC 9457), or not of the component.
 *
 * @param {number} status
 * @param {string | null} contentType
 * @param {string} text
 */
export function readAnswer(status, contentType, text) {
  const succeeded = status >= 200 && status < 300;
  if (succeeded && status !== 200 && !text) return {};
  const value = /^application\/([\w.-]+\+)?json\b/i.test(contentType ?? "") ? parsed(text) : null;
  // Not every body is of the component: a proxy can answer 200 with a page of its own.
  if (typeof value !== "object" || value === null) {
    throw new ApiError("The answer is HTTP " + status + " without JSON. Check the proxy in front of the component.");
  }
  if (succeeded) return value;
  throw new ApiError(value.detail || "The answer is HTTP " + status + ".", value.problems ?? [], status === 401);
}
