/** The duty agent's desk in the browser: joins phone, record, form and duty. Runs once per shell. */

import { Desk } from "./desk.js";
import { learn } from "./words.js";

const strip = document.getElementById("desk-phone");
if (strip) {
  learn(document.getElementById("phone-words"));
  void new Desk(strip).begin();
}
