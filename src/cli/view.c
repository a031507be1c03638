// SPDX-License-Identifier: MIT
// How `clairon watch` shows a job.
#include "cli/view.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cli/cli.h"

enum {
    OUT_BYTES_MAX = 64 * 1024 * 1024,
    COLUMNS_DEFAULT = 80,
    COLUMNS_MIN = 20,
    BAR_CELLS_MAX = 30,
    TAB = 8,
};

#define ERASE_LINE "\r\x1b[K"
#define NO_COLOUR  "\x1b[0m"

void view_init(struct view *v)
{
    *v = (struct view){.terminal = isatty(STDOUT_FILENO)};
    buf_init(&v->out, OUT_BYTES_MAX);
    view_resize(v);
}

void view_fini(struct view *v)
{
    buf_fini(&v->out);
}

void view_resize(struct view *v)
{
    struct winsize size;
    v->columns = COLUMNS_DEFAULT;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col >= COLUMNS_MIN) {
        v->columns = size.ws_col;
    }
}

// Length of the escape sequence at the front, as far as it is there (ECMA-48 5.4 and 5.6): a
// control sequence, a string for the terminal itself (its title, say), or two characters. 0: none
// begins.
static size_t sequence_len(struct str s)
{
    if (s.len == 0 || s.p[0] != '\x1b') {
        return 0;
    }
    if (s.len == 1 || !strchr("[]PX^_", s.p[1])) {
        return s.len > 1 ? 2 : 1;
    }
    for (size_t i = 2; i < s.len; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (s.p[1] == '[' ? c >= 0x40 && c <= 0x7e : c == 0x07) {
            return i + 1;
        }
        if (c == 0x1b) {
            return i; // a string ends by ESC \, which is a sequence of its own
        }
    }
    return s.len;
}

static bool is_colour(struct str sequence)
{
    return sequence.len >= 3 && sequence.p[1] == '[' && sequence.p[sequence.len - 1] == 'm';
}

// C1 control characters, which some terminals obey, are C2 80 to C2 9F in UTF-8.
static bool is_c1(struct str s)
{
    return s.len >= 2 && (unsigned char)s.p[0] == 0xc2 && (unsigned char)s.p[1] >= 0x80 &&
           (unsigned char)s.p[1] < 0xa0;
}

void view_put_safe(struct buf *b, struct str text)
{
    bool coloured = false;
    while (text.len > 0) {
        size_t len = sequence_len(text);
        if (len > 0) {
            if (is_colour(str_make(text.p, len))) {
                buf_put(b, str_make(text.p, len));
                coloured = true;
            }
        } else if (is_c1(text)) {
            len = 2;
        } else {
            len = 1;
            if ((unsigned char)text.p[0] >= ' ' ? text.p[0] != 0x7f : text.p[0] == '\t') {
                buf_putc(b, text.p[0]);
            }
        }
        text = str_from(text, len);
    }
    if (coloured) {
        buf_put(b, STR(NO_COLOUR));
    }
}

void view_hide_bar(struct view *v)
{
    if (v->bar_shown) {
        buf_put(&v->out, STR(ERASE_LINE));
        v->bar_shown = false;
    }
}

void view_line(struct view *v, struct str level, struct str text)
{
    if (!v->terminal) {
        buf_put(&v->out, text);
        buf_putc(&v->out, '\n');
        return;
    }
    view_hide_bar(v);
    const char *colour = str_eq_nocase(level, STR("error"))     ? "\x1b[31m"
                         : str_eq_nocase(level, STR("warning")) ? "\x1b[33m"
                         : str_eq_nocase(level, STR("success")) ? "\x1b[32m"
                                                                : "";
    buf_put(&v->out, str_of(colour));
    view_put_safe(&v->out, text);
    buf_put(&v->out, colour[0] ? STR(NO_COLOUR "\n") : STR("\n"));
}

void view_say(struct view *v, const char *fmt, ...)
{
    char text[900];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    view_hide_bar(v);
    (void)!view_flush(v); // what was said before comes before
    cli_say("watch", "%s", text);
}

void view_put_elapsed(struct buf *b, int64_t ms)
{
    int64_t s = ms > 0 ? ms / 1000 : 0;
    if (s >= 3600) {
        buf_putf(b, "%d:%02d:%02d", (int)(s / 3600), (int)(s / 60 % 60), (int)(s % 60));
    } else {
        buf_putf(b, "%d:%02d", (int)(s / 60), (int)(s % 60));
    }
}

// Appends as much of `text` as surely fits `cells`: a code point beyond ASCII may take two. Control
// characters are left out. Returns the cells it may take.
static int put_cells(struct buf *b, struct str text, int cells)
{
    int used = 0;
    for (size_t i = 0; i < text.len;) {
        unsigned char c = (unsigned char)text.p[i];
        size_t len = c < 0xc0 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
        int width = c < 0x80 ? 1 : 2;
        if (used + width > cells) {
            break;
        }
        len = len < text.len - i ? len : text.len - i;
        if (c >= ' ' && c != 0x7f && !is_c1(str_from(text, i))) {
            buf_put(b, str_make(text.p + i, len));
            used += width;
        }
        i += len;
    }
    return used;
}

static void put_gauge(struct buf *b, int cells, double percent)
{
    int full = (int)(percent * cells / 100);
    buf_putc(b, '[');
    for (int i = 0; i < cells; i++) {
        buf_putc(b, i < full ? '#' : '-');
    }
    buf_putf(b, "] %3d%% ", (int)percent);
}

void view_bar(struct view *v, const struct track *t, const char *trouble, int64_t now_wall_ms)
{
    if (!v->terminal) {
        return;
    }
    char text[1024];
    struct buf right;
    int room = v->columns - 1; // the last cell would wrap
    int cells = v->columns / 3 < BAR_CELLS_MAX ? v->columns / 3 : BAR_CELLS_MAX;
    int64_t end = t->ended_wall_ms ? t->ended_wall_ms : now_wall_ms;
    buf_init(&right, 64);
    buf_put(&right, STR("  "));
    view_put_elapsed(&right, t->started_wall_ms ? end - t->started_wall_ms : 0);
    const char *said = trouble ? trouble : t->message;
    snprintf(text, sizeof(text), "%s:%s %s%s%s%s%s%s", clairon_kind_name(t->kind), t->id,
             t->known ? t->status : "waiting", t->stalled ? " (stalled)" : "",
             t->step[0] ? ": " : "", t->step, said[0] ? " - " : "", said);
    buf_put(&v->out, STR(ERASE_LINE));
    put_gauge(&v->out, cells, t->progress);
    room -= cells + 8;
    (void)put_cells(&v->out, str_of(text), room - (int)right.len);
    if (room > (int)right.len) {
        buf_put(&v->out, buf_str(&right));
    }
    buf_fini(&right);
    v->bar_shown = true;
}

bool view_flush(struct view *v)
{
    size_t at = 0;
    while (at < v->out.len) {
        ssize_t n = write(STDOUT_FILENO, v->out.p + at, v->out.len - at);
        if (n > 0) {
            at += (size_t)n;
        } else if (errno == EAGAIN) {
            struct pollfd p = {.fd = STDOUT_FILENO, .events = POLLOUT};
            (void)poll(&p, 1, -1);
        } else if (errno != EINTR) {
            buf_clear(&v->out);
            return false;
        }
    }
    buf_clear(&v->out);
    return true;
}
