// SPDX-License-Identifier: MIT
// The progress descriptor.
#include "cli/control.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/utf8.h"
#include "cli/cli.h"

_Static_assert(CONTROL_LINE_BYTES_MAX <= PIPE_BUF, "lines must not mix");

bool control_parse_percent(struct str text, double *ret)
{
    uint64_t whole, part = 0;
    double scale = 1;
    if (text.len > 0 && text.p[text.len - 1] == '%') {
        text.len--;
    }
    struct str rest = text;
    struct str head = str_cut(&rest, '.');
    if (str_to_u64(head, &whole) || whole > 100 ||
        (rest.p && (rest.len > 9 || str_to_u64(rest, &part)))) {
        return false;
    }
    for (size_t i = 0; rest.p && i < rest.len; i++) {
        scale *= 10;
    }
    double percent = (double)whole + (double)part / scale;
    if (percent > 100) {
        return false;
    }
    *ret = percent;
    return true;
}

bool control_parse(struct str line, struct control *ret)
{
    struct str rest = line;
    struct str word = str_cut(&rest, ' ');
    if (!rest.p) {
        return false;
    }
    struct control c = {0};
    if (str_is(word, "progress")) {
        c.type = CONTROL_PROGRESS;
        if (!control_parse_percent(str_cut(&rest, ' '), &c.percent)) {
            return false;
        }
    } else if (str_is(word, "step")) {
        c.type = CONTROL_STEP;
        c.name = str_cut(&rest, str_chr(rest, '\t', 0) >= 0 ? '\t' : ' ');
        if (c.name.len == 0) {
            return false;
        }
    } else {
        return false;
    }
    c.message = rest.len > 0 ? rest : STR_NONE;
    *ret = c;
    return true;
}

static int job_descriptor(const char *command)
{
    const char *text = getenv("CLAIRON_FD");
    uint64_t fd;
    if (!text || text[0] == '\0') {
        cli_say(command, "not inside a job: CLAIRON_FD is not set (use clairon run)");
        return -1;
    }
    if (str_to_u64(str_of(text), &fd) || fd > INT_MAX) {
        cli_say(command, "CLAIRON_FD is not a descriptor: %s", text);
        return -1;
    }
    return (int)fd;
}

int control_send(const char *command, const char *word, const char *value, const char *message)
{
    int fd = job_descriptor(command);
    if (fd < 0) {
        return EXIT_FAILED;
    }
    char line[CONTROL_LINE_BYTES_MAX];
    // A step's name may hold blanks, so a tab ends it.
    int full = snprintf(line, sizeof(line), "%s %s%s%s", word, value,
                        strcmp(word, "step") == 0 ? "\t" : " ", message ? message : "");
    size_t len = full < 0 ? 0 : (size_t)full;
    if (len > sizeof(line) - 1) {
        len = utf8_prefix(str_of(line), sizeof(line) - 4);
    }
    for (size_t i = 0; i < len; i++) {
        if (line[i] == '\n') {
            line[i] = ' ';
        }
    }
    line[len++] = '\n';
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    sigaction(SIGPIPE, &ignore, NULL);
    ssize_t n;
    do {
        n = write(fd, line, len);
    } while (n < 0 && errno == EINTR);
    if (n < 0) {
        cli_say(command, "the job does not listen any more (CLAIRON_FD=%d: %s)", fd,
                strerror(errno));
        return EXIT_FAILED;
    }
    return EXIT_OK;
}
