// SPDX-License-Identifier: MIT
// The page that stands for one that needs a token: goes there with the token of this tab if it has one.

import { retryUrl } from './token.js';

const tried = new URLSearchParams(location.search).has('token');
const url = retryUrl();
if (url) {
  location.replace(url);
} else {
  document.getElementById('refused').hidden = !tried;
}
