// Requests to the API, with the token that this tab keeps.
import { ApiError, readAnswer } from "./answer.js";

/** Longer than the component works on any request. */
const TIMEOUT_MS = 60_000;

const TOKEN = "token";

export const hasToken = () => sessionStorage.getItem(TOKEN) !== null;

/** @param {string} token */
export const keepToken = (token) => sessionStorage.setItem(TOKEN, token);

export const forgetToken = () => sessionStorage.removeItem(TOKEN);

/** @typedef {{ method?: string, signal?: AbortSignal | undefined, accept?: string }} RequestOptions */

/**
 * Sends a request and returns its answer and the text of the body. Throws the signal's reason once it is aborted, also
 * while the body is read, so that no late answer reaches a view.
 *
 * @param {string} path
 * @param {RequestOptions} options
 */
async function send(path, { method = "GET", signal, accept = "application/json" }) {
  const headers = { Authorization: "Bearer " + sessionStorage.getItem(TOKEN), Accept: accept };
  const timeout = AbortSignal.timeout(TIMEOUT_MS);
  const either = signal ? AbortSignal.any([signal, timeout]) : timeout;
  let answer, text;
  try {
    answer = await fetch(path, { method, headers, cache: "no-store", signal: either });
    text = await answer.text();
  } catch {
    signal?.throwIfAborted();
    throw new ApiError("The component cannot be reached. This page tries again every ten seconds.");
  }
  signal?.throwIfAborted();
  return { status: answer.status, contentType: answer.headers.get("content-type"), text };
}

/**
 * The value of an answer in JSON.
 *
 * @param {string} path
 * @param {RequestOptions} options
 */
export async function ask(path, options = {}) {
  const { status, contentType, text } = await send(path, options);
  return readAnswer(status, contentType, text);
}

/**
 * An answer in CSV, as text.
 *
 * @param {string} path
 */
export async function askCsv(path) {
  const { status, contentType, text } = await send(path, { accept: "text/csv" });
  // Anything else is an error, or JSON of a component that knows no CSV.
  if (status !== 200 || !/^text\/csv\b/i.test(contentType ?? "")) {
    readAnswer(status, contentType, text);
    throw new ApiError("The answer is not CSV. Check the proxy in front of the component.");
  }
  return text;
}
