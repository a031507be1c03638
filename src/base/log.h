// SPDX-License-Identifier: MIT
// The program's own log: one line per record on standard error. As text it is
// `level id message name=value…`, as JSON {"time","level","id","message","name":value,…}: a value
// is what a conversion puts behind `name=` in the format. Hostile bytes are escaped in both, also
// in what a reader of the JSON gets out of it; a message has at most 4 KiB. Any thread. base, wire
// and hub never log.
#ifndef CLAIRON_BASE_LOG_H
#define CLAIRON_BASE_LOG_H

#include "base/compiler.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

enum log_format { LOG_TEXT, LOG_JSON };

void log_set_format(enum log_format format);
void log_set_level(enum log_level min);
// `id` is a stable short name of the message ("listener.emfile"); records of one id are limited to
// 10 per second, and the next that passes says how many were left out. No value is named time,
// level, id, message or left_out.
void log_write(enum log_level level, const char *id, const char *fmt, ...) PRINTF_LIKE(3, 4);

#define log_debug(id, ...) log_write(LOG_DEBUG, id, __VA_ARGS__)
#define log_info(id, ...)  log_write(LOG_INFO, id, __VA_ARGS__)
#define log_warn(id, ...)  log_write(LOG_WARN, id, __VA_ARGS__)
#define log_error(id, ...) log_write(LOG_ERROR, id, __VA_ARGS__)

#endif
