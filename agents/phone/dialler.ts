/** Buttons that call a ticket's contact, `data-dial="<ticket>"`, or back who was missed, `data-dial-back="<call>"`;
 * seen where there is a phone to do it with. The browser is given a token to dial and never the number; the call's
 * id goes into the form beside the button.
 * With `data-dial-to` the number is what was typed into the form's field of that name: a unit's telephone. */

import { post } from "./server.js";

interface Granted { target: string; call_id: string }

/** What to dial: the server says it once, for a minute, for this person. Raises Refusal. */
export async function permission(button: HTMLElement): Promise<string> {
  // Whichever button a visitor calls by, the call is her visit's.
  const form = button.closest("form")
    ?? button.closest("section")?.querySelector<HTMLFormElement>("form:has([data-dialled])")
    ?? (button.dataset["dial"] ? document.querySelector<HTMLFormElement>("#visit form:has([data-dialled])") : null);
  const to = button.dataset["dialTo"];
  const typed = to ? form?.querySelector<HTMLInputElement>(`[name="${to}"]`)?.value.trim() ?? "" : "";
  const { target, call_id } = await post<Granted>(`${subject(button)}/dial`, to ? { to: typed } : {});
  const field = form?.querySelector<HTMLInputElement>("[data-dialled]");
  if (field) field.value = call_id;
  return target;
}

function subject({ dataset }: HTMLElement): string {
  return dataset["dial"] ? `/tickets/${dataset["dial"]}` : `/calls/${dataset["dialBack"]}`;
}

const BUTTONS = "[data-dial], [data-dial-back]";

export function watchButtons(pressed: (button: HTMLElement) => Promise<void>): void {
  const show = (): void => {
    for (const button of document.querySelectorAll<HTMLElement>(BUTTONS)) button.hidden = false;
  };
  for (const drawn of ["htmx:afterSettle", "htmx:historyRestore"]) document.addEventListener(drawn, show);
  document.addEventListener("click", (event) => {
    const button = (event.target as HTMLElement).closest<HTMLElement>(BUTTONS);
    if (button) void pressed(button);
  });
  show();
}
