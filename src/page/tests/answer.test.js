import assert from "node:assert/strict";
import { test } from "node:test";
import { ApiError, readAnswer } from "../answer.js";

/** The error that an answer becomes. */
function failure(status, contentType, text) {
  try {
    readAnswer(status, contentType, text);
  } catch (error) {
    assert.ok(error instanceof ApiError);
    return error;
  }
  return assert.fail("it is not an error");
}

test("the body of a good answer is read", () => {
  assert.deepEqual(readAnswer(200, "application/json", '{"sessions": 1}'), { sessions: 1 });
  assert.deepEqual(readAnswer(200, "application/cloudevents-batch+json; charset=utf-8", "[]"), []);
});

test("202 and 204 have no body", () => {
  assert.deepEqual(readAnswer(202, null, ""), {});
  assert.deepEqual(readAnswer(204, null, ""), {});
});

test("a page of a proxy with status 200 is an error, not an empty answer", () => {
  for (const [type, text] of [["text/html", "<html>Sign in</html>"], [null, ""], ["application/json", "<html>"],
    ["application/json", "null"], ["text/html", '{"sessions": 1}']]) {
    assert.match(failure(200, type, text).message, /^The answer is HTTP 200 without JSON\. Check the proxy/);
  }
  assert.match(failure(202, "text/html", "<html>").message, /HTTP 202 without JSON/);
});

test("a problem document says what is wrong", () => {
  const problems = [{ variable: "site", reason: "is too long" }];
  const error = failure(400, "application/problem+json", JSON.stringify({ detail: "The query is wrong", problems }));
  assert.equal(error.message, "The query is wrong");
  assert.deepEqual(error.problems, problems);
  assert.equal(error.tokenRefused, false);
  assert.equal(failure(500, "application/json", "{}").message, "The answer is HTTP 500.");
});

test("only the component's own 401 refuses the token", () => {
  assert.equal(failure(401, "application/problem+json", '{"detail": "no"}').tokenRefused, true);
  const error = failure(401, "text/html", "<html>Sign in</html>");
  assert.equal(error.tokenRefused, false);
  assert.match(error.message, /HTTP 401 without JSON/);
});
