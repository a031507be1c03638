// SPDX-License-Identifier: MIT
// The C client of a Clairon hub: requests to its API, subscriptions that survive its restarts, and
// a reporter that never makes the reported program wait for it.
//
// Conventions. Functions return 0 or the negative of an `enum clairon_status`, and then fill
// `err` (which may be NULL) with a sentence for people. Results are written only on success.
// Strings passed in are copied unless said otherwise; spans passed to callbacks hold until the
// callback returns. An object is used by one thread at a time, except where a function says
// "any thread". The library installs no signal handler and never raises SIGPIPE.
#ifndef CLAIRON_CLIENT_H
#define CLAIRON_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define CLAIRON_API __attribute__((visibility("default")))

#define CLAIRON_DEFAULT_SERVER "http://127.0.0.1:8000"

enum clairon_status {
    CLAIRON_OK = 0,
    CLAIRON_BAD_ARGUMENT, // of the caller: a URL, an id, a topic
    CLAIRON_UNREACHABLE,  // no connection, or it broke
    CLAIRON_TIMED_OUT,    // no answer within the deadline
    CLAIRON_PROTOCOL,     // what answered is no hub
    CLAIRON_REFUSED,      // the hub said no; see http_status and code
    CLAIRON_CONFLICT,     // an attempt of that job is already open
    CLAIRON_STOPPED,      // clairon_*_stop was called
    CLAIRON_NO_MEMORY,
};

struct clairon_error {
    enum clairon_status status;
    int http_status;   // of a refusal; 0 otherwise
    char code[32];     // of a refusal, as the hub names it: "forbidden"; empty otherwise
    char message[256]; // one sentence, never empty
};

// Bytes that belong to somebody else. Not NUL-terminated.
struct clairon_span {
    const char *p;
    size_t len;
};

// Which hub. NULL or "" means: from the environment (CLAIRON_SERVER, CLAIRON_TOKEN), else the
// default server, else no token. The token goes as `Authorization: Bearer`. With https:// the hub's
// certificate must be good: for the system, or for the certificates in the file `ca` (PEM; or
// CLAIRON_CA).
struct clairon_target {
    const char *server;
    const char *token;
    const char *ca;
};

// The URL that a target means, for messages. Writes at most `size` bytes with a NUL.
CLAIRON_API void clairon_target_url(const struct clairon_target *t, char *out, size_t size);

// ---- Requests -----------------------------------------------------------------------------------

// One kept-alive connection to a hub, opened when first needed and again when it broke.
struct clairon_http;

struct clairon_request {
    const char *method;
    const char *path;         // with its query, already percent-encoded
    struct clairon_span body; // JSON; p = NULL for none
    int timeout_ms;           // for all of it, connecting included; 0: 10 s
    bool repeatable; // may be sent again when a kept connection breaks before the answer begins
};

struct clairon_response {
    int status;
    struct clairon_span body; // holds until the next call on this connection
    int retry_after_s;        // -1 when the hub did not say
    bool with_token;          // one went with the request
};

// `*ret` is owned by the caller. CLAIRON_BAD_ARGUMENT for a URL that can't be used.
CLAIRON_API int clairon_http_new(const struct clairon_target *t, struct clairon_http **ret,
                                 struct clairon_error *err);
CLAIRON_API void clairon_http_free(struct clairon_http *h); // accepts NULL
// Blocks until the answer is there, whatever its status. CLAIRON_UNREACHABLE, CLAIRON_TIMED_OUT,
// CLAIRON_PROTOCOL, CLAIRON_STOPPED. Looking up a name is the system's and has its own time limit.
CLAIRON_API int clairon_http_request(struct clairon_http *h, const struct clairon_request *req,
                                     struct clairon_response *res, struct clairon_error *err);
// Any thread: the request under way, and every later one, ends with CLAIRON_STOPPED.
CLAIRON_API void clairon_http_stop(struct clairon_http *h);
// Reads the error out of an answer of status 400 and up. Always returns -CLAIRON_REFUSED.
CLAIRON_API int clairon_http_refusal(const struct clairon_response *res, struct clairon_error *err);

// Publishes one event. `data` is JSON; p = NULL means {}. `cursor` (at least 64 bytes, or NULL)
// gets the event's id. CLAIRON_REFUSED and those of clairon_http_request.
CLAIRON_API int clairon_publish(struct clairon_http *h, const char *topic, const char *type,
                                struct clairon_span data, char *cursor, struct clairon_error *err);

// ---- Subscriptions ------------------------------------------------------------------------------

// A native WebSocket session on some topics. It reconnects by itself (after a random time of 0.5 s
// up to a bound that grows to 10 s) and resumes by cursor, so that each event comes once and in
// order; what can't be had any more is told as a gap. Nothing blocks but looking up a name.
//
//   WAITING -> CONNECTING -> OPENING -> LIVE -> WAITING ...
//                                        any -> ENDED (refused for good, or stopped)
struct clairon_sub;

enum clairon_sub_state {
    CLAIRON_SUB_WAITING, // for the next try to connect
    CLAIRON_SUB_CONNECTING,
    CLAIRON_SUB_OPENING, // shaking hands
    CLAIRON_SUB_LIVE,    // connected; the topics have been asked for
    CLAIRON_SUB_ENDED,
};

struct clairon_event {
    struct clairon_span text; // the event object exactly as it was received
    struct clairon_span type;
    struct clairon_span id;             // its cursor
    struct clairon_span topic, channel; // p = NULL when absent
    struct clairon_span timestamp;
    struct clairon_span data; // JSON
};

struct clairon_gap {
    struct clairon_span text; // the message as it was received
    struct clairon_span topic, reason;
    struct clairon_span from, to; // cursors; p = NULL when absent
    int64_t count;                // -1 when unknown
};

struct clairon_sub_handlers {
    void (*on_event)(void *arg, const struct clairon_event *e);
    // `data` is the JOB object, or null for a job nobody has reported on.
    void (*on_snapshot)(void *arg, struct clairon_span topic, struct clairon_span data);
    void (*on_gap)(void *arg, const struct clairon_gap *g);
    void (*on_caught_up)(void *arg, struct clairon_span topic, struct clairon_span cursor);
    // `why` is set for WAITING (`retry_ms` says how long) and ENDED.
    void (*on_state)(void *arg, enum clairon_sub_state state, const struct clairon_error *why,
                     int retry_ms);
    // The hub refused a topic or a message. The session goes on.
    void (*on_refused)(void *arg, struct clairon_span topic, const struct clairon_error *why);
    // The answer to a message sent with a `ref`.
    void (*on_published)(void *arg, struct clairon_span ref, struct clairon_span id);
};

struct clairon_sub_options {
    struct clairon_target target;
    const char *const *topics;
    size_t topics_count;
    const char *since;                    // a cursor; NULL: from now on, with snapshots
    struct clairon_sub_handlers handlers; // any of them may be NULL
    void *arg;
};

// `*ret` is owned by the caller; it has not connected yet. CLAIRON_BAD_ARGUMENT.
CLAIRON_API int clairon_sub_new(const struct clairon_sub_options *o, struct clairon_sub **ret,
                                struct clairon_error *err);
CLAIRON_API void clairon_sub_free(struct clairon_sub *s); // accepts NULL; not from a callback

// For a poll loop: wait for clairon_sub_events on clairon_sub_fd (-1: none just now) for at most
// clairon_sub_timeout_ms (-1: for ever), then call clairon_sub_step, which makes the callbacks.
CLAIRON_API int clairon_sub_fd(const struct clairon_sub *s);
CLAIRON_API short clairon_sub_events(const struct clairon_sub *s);
CLAIRON_API int clairon_sub_timeout_ms(const struct clairon_sub *s);
CLAIRON_API enum clairon_sub_state clairon_sub_step(struct clairon_sub *s);
// Ends it; no callback is made after this returns. Allowed in a callback.
CLAIRON_API void clairon_sub_stop(struct clairon_sub *s);
CLAIRON_API enum clairon_sub_state clairon_sub_state(const struct clairon_sub *s);
// The cursor to resume from in another process; "" while there is none. Holds until the next step.
CLAIRON_API const char *clairon_sub_cursor(const struct clairon_sub *s);
// Sends one client message (JSON text) on the session. CLAIRON_UNREACHABLE unless it is LIVE: it is
// not kept for later. What the hub says to it comes by on_published or on_refused.
CLAIRON_API int clairon_sub_send(struct clairon_sub *s, struct clairon_span message,
                                 struct clairon_error *err);

// ---- Reporting a job ----------------------------------------------------------------------------

// Reports of one job, delivered in order and once by a thread of its own: every report carries a
// producer and a number, one request is under way at a time, and one that was not answered is sent
// again as it was. Meanwhile reports wait in memory and then in an unlinked temporary file; when
// that is full lines are dropped, and one line of the log says how many.
struct clairon_reporter;

enum clairon_kind { CLAIRON_BUILD, CLAIRON_DEPLOYMENT, CLAIRON_TICKET };

// "build", "job" (the same), "deployment", "ticket". False for anything else.
CLAIRON_API bool clairon_kind_parse(const char *text, enum clairon_kind *ret);
CLAIRON_API const char *clairon_kind_name(enum clairon_kind k);
// The topic of one job: "job:ID". Writes at most `size` bytes with a NUL.
CLAIRON_API void clairon_job_topic(enum clairon_kind k, const char *id, char *out, size_t size);
// The path of a job in the API, percent-encoded, with `rest` ("/log", "") behind it.
CLAIRON_API void clairon_job_path(enum clairon_kind k, const char *id, const char *rest, char *out,
                                  size_t size);
// Is this an id the hub takes: 1 to 128 bytes of UTF-8 without '/', '*', blanks and controls?
CLAIRON_API bool clairon_id_valid(const char *id);

enum clairon_level {
    CLAIRON_DEBUG,
    CLAIRON_INFO,
    CLAIRON_SUCCESS,
    CLAIRON_WARNING,
    CLAIRON_ERROR,
};

enum clairon_outcome_type { CLAIRON_SUCCEEDED, CLAIRON_FAILED, CLAIRON_CANCELLED };

struct clairon_outcome {
    enum clairon_outcome_type type;
    int exit_code;       // -1: none
    const char *signal;  // "SIGKILL"; NULL: none
    const char *message; // one sentence; NULL: none
};

struct clairon_reporter_options {
    struct clairon_target target;
    enum clairon_kind kind;
    const char *id;
    const char *project;
    const char *name;         // what runs, for people; NULL: none
    uint64_t spool_bytes_max; // 0: 256 MiB
    // Called on the reporter's thread with one line for people (a warning). May be NULL.
    void (*on_warning)(void *arg, const char *text);
    void *arg;
};

// `*ret` is owned by the caller; its thread runs, with all signals blocked, and has begun to report
// the start of the job. CLAIRON_BAD_ARGUMENT, CLAIRON_NO_MEMORY.
CLAIRON_API int clairon_reporter_new(const struct clairon_reporter_options *o,
                                     struct clairon_reporter **ret, struct clairon_error *err);
// Waits for the answer to the start of the job: 0 when the job is ours, CLAIRON_CONFLICT when
// another attempt is open, CLAIRON_REFUSED when the hub wants no reports of us,
// CLAIRON_UNREACHABLE as soon as a try to reach the hub has failed, CLAIRON_TIMED_OUT.
CLAIRON_API int clairon_reporter_opened(struct clairon_reporter *r, int timeout_ms,
                                        struct clairon_error *err);
// Reports. They return at once and never fail: what the hub refuses is warned of. Text that is not
// UTF-8 is repaired. `cont`: the line goes on from the one before.
CLAIRON_API void clairon_reporter_log(struct clairon_reporter *r, enum clairon_level level,
                                      struct clairon_span line, bool cont);
CLAIRON_API void clairon_reporter_progress(struct clairon_reporter *r, double percent,
                                           const char *message);
CLAIRON_API void clairon_reporter_step(struct clairon_reporter *r, const char *name,
                                       const char *message);
// The end of the job; what is reported after it is ignored.
CLAIRON_API void clairon_reporter_end(struct clairon_reporter *r,
                                      const struct clairon_outcome *outcome);
// Readable when somebody asked for the job to be cancelled. Not to be read from.
CLAIRON_API int clairon_reporter_cancel_fd(const struct clairon_reporter *r);
// Waits up to `timeout_ms` until everything up to the end is delivered, or can't be any more (the
// hub refused the job: 0 as well, since nothing is left to wait for). CLAIRON_TIMED_OUT.
CLAIRON_API int clairon_reporter_flush(struct clairon_reporter *r, int timeout_ms,
                                       struct clairon_error *err);
// Stops the thread; what is not delivered is lost. Accepts NULL.
CLAIRON_API void clairon_reporter_free(struct clairon_reporter *r);

#ifdef __cplusplus
}
#endif

#endif
