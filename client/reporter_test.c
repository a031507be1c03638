// SPDX-License-Identifier: MIT
// The reporter against a server that follows a script: what a good hub never does at a chosen
// moment. The real hub is in the integration tests.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/str.h"
#include "clairon/client.h"

enum { REQUESTS_MAX = 32, LONG_MS = 20000 };

// One row per request; behind the last all are answered 200.
struct answer {
    int status; // 0: the connection is dropped instead; -1: no answer at all
    const char *body;
};

struct server {
    const struct answer *script;
    size_t script_len;
    int listener;
    pthread_t thread;
    char url[64];
    // Written by the thread, read when it has ended.
    struct buf requests[REQUESTS_MAX]; // "PATH BODY"
    size_t count;
    struct buf warnings;
    struct clairon_reporter *r;
};

// Reads one request; false at the end of the connection.
static bool read_request(int fd, struct buf *in, struct buf *ret)
{
    for (;;) {
        buf_putc(in, '\0');
        in->len--;
        const char *end = in->len ? strstr(in->p, "\r\n\r\n") : NULL;
        if (end) {
            size_t head = (size_t)(end - in->p) + 4;
            const char *field = strstr(in->p, "Content-Length: ");
            size_t body = field ? (size_t)strtoul(field + 16, NULL, 10) : 0;
            if (in->len >= head + body) {
                const char *path = in->p + 5; // behind "POST "
                buf_put_mem(ret, path, strcspn(path, " ") + 1);
                buf_put_mem(ret, in->p + head, body);
                buf_putc(ret, '\0');
                buf_consume(in, head + body);
                return true;
            }
        }
        ssize_t n = recv(fd, buf_reserve(in, 65536), 65536, 0);
        if (n <= 0) {
            return false;
        }
        buf_commit(in, (size_t)n);
    }
}

// False when the connection is to be dropped.
static bool answer(struct server *s, int fd, size_t number)
{
    struct answer a = number < s->script_len ? s->script[number] : (struct answer){200, "{}"};
    char text[512];
    if (a.status == 0) {
        return false;
    }
    if (a.status > 0) {
        int len = snprintf(text, sizeof(text), "HTTP/1.1 %d X\r\nContent-Length: %zu\r\n\r\n%s",
                           a.status, strlen(a.body), a.body);
        return send(fd, text, (size_t)len, MSG_NOSIGNAL) == len;
    }
    return true;
}

static void *serve(void *arg)
{
    struct server *s = arg;
    int fd;
    while ((fd = accept(s->listener, NULL, NULL)) >= 0) {
        struct buf in;
        buf_init(&in, 4 * 1024 * 1024);
        while (s->count < REQUESTS_MAX && read_request(fd, &in, &s->requests[s->count])) {
            if (!answer(s, fd, s->count++)) {
                break;
            }
        }
        buf_fini(&in);
        close(fd);
    }
    return NULL;
}

static void on_warning(void *arg, const char *text)
{
    struct server *s = arg;
    buf_put(&s->warnings, str_of(text));
    buf_putc(&s->warnings, '\n');
}

static void begin_with(struct server *s, const struct answer *script, size_t script_len)
{
    *s = (struct server){.script = script, .script_len = script_len};
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(at);
    for (size_t i = 0; i < REQUESTS_MAX; i++) {
        buf_init(&s->requests[i], 4 * 1024 * 1024);
    }
    buf_init(&s->warnings, 100000);
    s->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(s->listener, (struct sockaddr *)&at, len), 0);
    assert_int_equal(listen(s->listener, 8), 0);
    assert_int_equal(getsockname(s->listener, (struct sockaddr *)&at, &len), 0);
    snprintf(s->url, sizeof(s->url), "http://127.0.0.1:%u", ntohs(at.sin_port));
    assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
    const struct clairon_reporter_options o = {.target = {.server = s->url},
                                               .kind = CLAIRON_BUILD,
                                               .id = "j",
                                               .project = "p",
                                               .on_warning = on_warning,
                                               .arg = s};
    assert_int_equal(clairon_reporter_new(&o, &s->r, NULL), 0);
}

static void stop(struct server *s)
{
    clairon_reporter_free(s->r);
    s->r = NULL;
    shutdown(s->listener, SHUT_RDWR);
    pthread_join(s->thread, NULL);
    close(s->listener);
    buf_putc(&s->warnings, '\0');
}

static void end(struct server *s)
{
    for (size_t i = 0; i < REQUESTS_MAX; i++) {
        buf_fini(&s->requests[i]);
    }
    buf_fini(&s->warnings);
}

static void log_text(struct server *s, const char *text)
{
    clairon_reporter_log(s->r, CLAIRON_INFO, (struct clairon_span){.p = text, .len = strlen(text)},
                         false);
}

static void finish(struct server *s)
{
    clairon_reporter_end(s->r, &(struct clairon_outcome){.exit_code = 0});
    assert_int_equal(clairon_reporter_flush(s->r, LONG_MS, NULL), 0);
}

static void expect(const struct server *s, size_t i, const char *path, const char *part)
{
    assert_true(i < s->count);
    const char *got = s->requests[i].p;
    if (strncmp(got, path, strlen(path)) != 0 || got[strlen(path)] != ' ' || !strstr(got, part)) {
        fail_msg("request %zu: %s", i, got);
    }
}

static void test_as_usual(void **state)
{
    (void)state;
    static const struct answer script[] = {{201, "{\"jobId\":\"j\",\"attempt\":7}"}};
    struct server s;
    begin_with(&s, script, ARRAY_LEN(script));
    assert_int_equal(clairon_reporter_opened(s.r, LONG_MS, NULL), 0);
    log_text(&s, "one");
    finish(&s);
    clairon_reporter_progress(s.r, 5, NULL); // behind the end: ignored
    stop(&s);
    assert_int_equal(s.count, 4);
    expect(&s, 0, "/api/jobs",
           "\"seq\":1,\"projectId\":\"p\",\"jobId\":\"j\",\"lease\":30,\"workflow\":false}");
    expect(&s, 1, "/api/jobs/j/progress", "\"seq\":2,\"attempt\":7,\"phase\":\"building\"");
    expect(&s, 2, "/api/jobs/j/log", "\"seq\":3,\"attempt\":7,\"lines\":[{\"message\":\"one\"}]}");
    expect(&s, 3, "/api/jobs/j/completed", "\"seq\":4,\"attempt\":7,\"status\":\"completed\"");
    assert_string_equal(s.warnings.p, "");
    end(&s);
}

// Whatever becomes of a report that is not answered well, it is sent again as it was.
static void test_sent_again(void **state)
{
    (void)state;
    static const struct answer script[] = {
        {0, ""}, {503, "{}"}, {201, "{}"},   {200, "{}"},
        {0, ""}, {429, ""},   {500, "oops"}, {507, "{}"},
    };
    struct server s;
    begin_with(&s, script, ARRAY_LEN(script));
    log_text(&s, "one");
    finish(&s);
    stop(&s);
    for (size_t i = 1; i < 3; i++) {
        assert_string_equal(s.requests[i].p, s.requests[0].p);
    }
    expect(&s, 4, "/api/jobs/j/log", "\"seq\":3,");
    for (size_t i = 5; i < 9; i++) {
        assert_string_equal(s.requests[i].p, s.requests[4].p);
    }
    expect(&s, 9, "/api/jobs/j/completed", "\"seq\":4,");
    assert_int_equal(s.count, 10);
    end(&s);
}

static void test_too_large(void **state)
{
    (void)state;
    static const struct answer script[] = {
        {0, ""},     {201, "{}"}, {200, "{}"}, {413, "{}"},
        {200, "{}"}, {413, "{}"}, {200, "{}"}, {413, "{}"},
    };
    struct server s;
    begin_with(&s, script, ARRAY_LEN(script));
    // The first try is dropped, so all of these wait and make one batch.
    assert_int_equal(clairon_reporter_opened(s.r, LONG_MS, NULL), -CLAIRON_UNREACHABLE);
    for (int i = 0; i < 4; i++) {
        char text[16];
        snprintf(text, sizeof(text), "l%d", i);
        log_text(&s, text);
    }
    finish(&s);
    stop(&s);
    expect(&s, 3, "/api/jobs/j/log",
           "[{\"message\":\"l0\"},{\"message\":\"l1\"},{\"message\":\"l2\"},{\"message\":\"l3\"}]");
    expect(&s, 4, "/api/jobs/j/log", "\"lines\":[{\"message\":\"l0\"},{\"message\":\"l1\"}]");
    expect(&s, 5, "/api/jobs/j/log", "\"lines\":[{\"message\":\"l2\"},{\"message\":\"l3\"}]");
    expect(&s, 6, "/api/jobs/j/log", "\"lines\":[{\"message\":\"l2\"}]");
    expect(&s, 7, "/api/jobs/j/log",
           "\"lines\":[{\"message\":\"l3\"}]"); // alone and still too large: lost
    expect(&s, 8, "/api/jobs/j/completed", "");
    assert_non_null(strstr(s.warnings.p, "refused a report"));
    end(&s);
}

static void test_refused_reports(void **state)
{
    (void)state;
    static const struct answer script[] = {
        {201, "{}"},
        {200, "{}"},
        {409, "{\"error\":{\"code\":\"conflict\",\"message\":\"The job has ended.\"}}"},
        {409, "{}"},
    };
    struct server s;
    begin_with(&s, script, ARRAY_LEN(script));
    clairon_reporter_step(s.r, "a", NULL);
    clairon_reporter_step(s.r, "b", "c");
    log_text(&s, "still wanted");
    finish(&s);
    stop(&s);
    assert_int_equal(s.count, 6);
    expect(&s, 4, "/api/jobs/j/log", "still wanted");
    assert_string_equal(s.warnings.p, "the hub refused a report: The job has ended.\n");
    end(&s);
}

static void test_start_refused(void **state)
{
    (void)state;
    static const struct {
        struct answer answer;
        int status;
    } rows[] = {
        {{409, "{\"error\":{\"code\":\"conflict\",\"message\":\"Attempt 1 is open.\"}}"},
         CLAIRON_CONFLICT},
        {{401, "{\"error\":{\"code\":\"unauthorized\",\"message\":\"No.\"}}"}, CLAIRON_REFUSED},
        {{404, "<html>"}, CLAIRON_REFUSED},
        {{301, ""}, CLAIRON_REFUSED},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct server s;
        struct clairon_error err;
        begin_with(&s, &rows[i].answer, 1);
        assert_int_equal(clairon_reporter_opened(s.r, LONG_MS, &err), -rows[i].status);
        assert_true(err.message[0] != '\0');
        log_text(&s, "unheard");
        finish(&s); // nothing is left to wait for
        stop(&s);
        assert_int_equal(s.count, 1);
        end(&s);
    }
}

static void test_cancel(void **state)
{
    (void)state;
    static const struct answer script[] = {{201, "{}"}, {200, "{\"cancel_requested\":true}"}};
    struct server s;
    begin_with(&s, script, ARRAY_LEN(script));
    struct pollfd p = {.fd = clairon_reporter_cancel_fd(s.r), .events = POLLIN};
    assert_int_equal(poll(&p, 1, LONG_MS), 1);
    finish(&s);
    stop(&s);
    end(&s);
}

// Nobody there, or somebody who says nothing: neither reports nor the end of the reporter hang.
static void test_silence(void **state)
{
    (void)state;
    static const struct answer script[] = {{-1, ""}};
    struct server s;
    struct clairon_error err;
    begin_with(&s, script, ARRAY_LEN(script));
    assert_int_equal(clairon_reporter_opened(s.r, 50, &err), -CLAIRON_TIMED_OUT);
    log_text(&s, "one");
    clairon_reporter_end(s.r, &(struct clairon_outcome){.exit_code = 0});
    assert_int_equal(clairon_reporter_flush(s.r, 50, &err), -CLAIRON_TIMED_OUT);
    stop(&s);
    end(&s);

    const struct clairon_reporter_options o = {.target = {.server = s.url}, .id = "j"};
    struct clairon_reporter *r;
    assert_int_equal(clairon_reporter_new(&o, &r, NULL), 0);
    assert_int_equal(clairon_reporter_opened(r, LONG_MS, &err), -CLAIRON_UNREACHABLE);
    assert_non_null(strstr(err.message, "refused"));
    assert_int_equal(clairon_reporter_flush(r, 50, &err), -CLAIRON_TIMED_OUT);
    clairon_reporter_free(r);
    clairon_reporter_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_as_usual),      cmocka_unit_test(test_sent_again),
        cmocka_unit_test(test_too_large),     cmocka_unit_test(test_refused_reports),
        cmocka_unit_test(test_start_refused), cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_silence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
