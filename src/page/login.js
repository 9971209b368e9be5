// The form that asks for a token.
import { html, show } from "./dom.js";

/** The characters of tokens, as the settings take them. */
const TOKEN_CHARACTERS = /^[\w-]+$/;

/**
 * @param {(token: string) => void} enter
 * @param {(message: string) => void} refuse
 */
export function loginView(enter, refuse) {
  const token = html("input", { type: "password", id: "token", required: "", autocomplete: "off", size: "40" });
  const submit = (/** @type {Event} */ event) => {
    event.preventDefault();
    const value = token.value.trim();
    if (TOKEN_CHARACTERS.test(value)) enter(value);
    else refuse("A token consists of A-Z, a-z, 0-9, _ and -.");
  };
  show(html("section", { class: "card login" },
    html("h2", {}, "Sign in"),
    html("form", { onsubmit: submit },
      html("label", {}, "Read token", token), html("button", { class: "main" }, "Show events")),
    html("p", { class: "note" }, "Enter one of the tokens of the setting read_tokens. It is kept for this tab only.")));
  token.focus();
}
