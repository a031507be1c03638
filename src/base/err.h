// SPDX-License-Identifier: MIT
// Error numbers: functions return 0 or -E_*. One table (def/errors.def) gives each its wire code,
// default text, HTTP status and WebSocket close code.
#ifndef CLAIRON_BASE_ERR_H
#define CLAIRON_BASE_ERR_H

enum err {
    E_OK = 0,
#define ERROR(name, wire, http, close, text) E_##name,
#include "def/errors.def"
#undef ERROR
    E_NR
};

// All take the number with either sign; an unknown number reads as E_INTERNAL.
const char *err_name(int e); // "E_BAD_JSON", for logs
const char *err_code(int e); // "bad_json": what goes on the wire
const char *err_text(int e); // one sentence for people
int err_http_status(int e);  // 400
int err_close_code(int e);   // 1008; 0 when the connection stays open

#endif
