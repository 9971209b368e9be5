// Requests to the API, with the token that this tab keeps.
import { ApiError, readAnswer } from "./answer.js";

/** Longer than the component works on any request. */
const TIMEOUT_MS = 60_000;

const TOKEN = "token";

export const hasToken = () => sessionStorage.getItem(TOKEN) !== null;

/** @param {string} token */
export const keepToken = (token) => sessionStorage.setItem(TOKEN, token);

export const forgetToken = () => sessionStorage.removeItem(TOKEN);

/**
 * Sends a request and returns the body of its answer. Throws the signal's reason once it is aborted, also while the body
 * is read, so that no late answer reaches a view.
 *
 * @param {string} path
 * @param {{ method?: string, signal?: AbortSignal }} options
 */
export async function ask(path, { method = "GET", signal } = {}) {
  const headers = { Authorization: "Bearer " + sessionStorage.getItem(TOKEN) };
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
  return readAnswer(answer.status, answer.headers.get("content-type"), text);
}
