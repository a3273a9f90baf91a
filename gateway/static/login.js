// Moves the token of a login link (#token=…) into the form and sends it. A fragment never reaches
// a server or its logs; it is taken out of the address bar and the history first.
"use strict";

const match = /^#token=([^&]+)$/.exec(location.hash);
if (match) {
  history.replaceState(null, "", location.pathname + location.search);
  const form = document.getElementById("login");
  form.elements.token.value = decodeURIComponent(match[1]);
  form.requestSubmit();
}
