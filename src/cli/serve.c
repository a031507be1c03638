// SPDX-License-Identifier: MIT
// `clairon serve`: the hub.
