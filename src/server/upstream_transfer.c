// SPDX-License-Identifier: MIT
// One question and its answer. libcurl calls from inside of its own calls: there a transfer notes
// what is wrong and has libcurl end it; it is freed outside.
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "server/upstream_int.h"

#define HEAD_BYTES_MAX ((size_t)64 << 10)
#define TYPE_BYTES_MAX 256

// A piece on its way home.
struct piece {
    struct mail mail;
    struct respond_call *call; // lives until its end, which is a later mail
    size_t bytes;
    struct str event, json; // behind it
};

static int64_t limit(const struct transfer *t, enum limit_row row)
{
    return t->upstream->config->limits.values[row];
}

static int fault(struct transfer *t, int err, const char *text)
{
    if (!t->err) {
        t->err = err;
        (void)snprintf(t->text, sizeof(t->text), "%s", text);
    }
    return err;
}

static void hit(struct transfer *t, enum limit_row row, int err, const char *text)
{
    if (!t->err) {
        metrics_hit(t->upstream->metrics, row);
    }
    (void)fault(t, err, text);
}

// --- pieces ---

static void piece_home(struct mail *m)
{
    struct piece *p = CONTAINER_OF(m, struct piece, mail);
    struct respond_call *c = p->call;
    c->on_piece(c, p->event, p->json);
    c->on_unread(c, p->bytes);
    mem_free(p);
}

static void take_piece(void *ctx, struct str event, struct str json)
{
    struct transfer *t = ctx;
    size_t bytes = sizeof(struct piece) + event.len + json.len;
    struct piece *p = mem_try_alloc(bytes);
    if (!p) {
        (void)fault(t, -E_NO_MEMORY, "");
        return;
    }
    char *at = (char *)(p + 1);
    p->call = t->call;
    p->bytes = bytes;
    memcpy(at, json.p, json.len);
    p->json = str_make(at, json.len);
    if (event.p) {
        memcpy(at + json.len, event.p, event.len);
        p->event = str_make(at + json.len, event.len);
    }
    (void)atomic_fetch_add(&t->call->unread, bytes);
    upstream_home(t->call, &p->mail, piece_home);
}

static void fault_pieces(struct transfer *t, int err)
{
    static const struct {
        int err;
        const char *text;
    } rows[] = {{-E_BAD_JSON, "The responder's answer is not the JSON that it says it is."},
                {-E_UTF8, "The responder's answer is not UTF-8."},
                {-E_NO_MEMORY, ""}};
    if (err == -E_TOO_LARGE) {
        hit(t, LIMIT_ROW_RESPONDER_PIECE_BYTES, err,
            "A piece of the responder's answer is larger than one may be.");
    }
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (err == rows[i].err) {
            (void)fault(t, err == -E_NO_MEMORY ? err : -E_UNAVAILABLE, rows[i].text);
        }
    }
}

// --- libcurl's calls ---

// The head is whole: is it the beginning of an answer?
static void judge_head(struct transfer *t)
{
    long status = 0;
    (void)curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
    char text[80];
    enum pieces_kind kind = PIECES_TEXT;
    if (status < 200) {
        return; // another head follows
    }
    if (status != 200 && status != 204) {
        (void)snprintf(text, sizeof(text), "The responder answered with status %ld.", status);
        (void)fault(t, -E_UNAVAILABLE, text);
        return;
    }
    if (status == 200 && pieces_kind_of(buf_str(&t->type), &kind) != 0) {
        (void)fault(t, -E_UNAVAILABLE,
                    "The responder answered with neither server-sent events, NDJSON, JSON nor "
                    "text, in UTF-8.");
        return;
    }
    pieces_init(&t->pieces, kind, (size_t)limit(t, LIMIT_ROW_RESPONDER_PIECE_BYTES));
    t->begun = true;
}

static struct str without_end(struct str line)
{
    while (line.len && (line.p[line.len - 1] == '\n' || line.p[line.len - 1] == '\r')) {
        line.len--;
    }
    return line;
}

static size_t on_head(char *bytes, size_t size, size_t count, void *arg)
{
    struct transfer *t = arg;
    struct str line = without_end(str_make(bytes, size * count)), value = line;
    struct str name = str_cut(&value, ':');
    t->since_mono_ms = clock_now().mono_ms;
    t->head_bytes += size * count;
    if (t->head_bytes > HEAD_BYTES_MAX) {
        (void)fault(t, -E_UNAVAILABLE, "The head of the responder's answer is too large.");
    } else if (line.len == 0 && !t->begun) {
        judge_head(t);
    } else if (str_starts(line, STR("HTTP/"))) {
        buf_clear(&t->type);
    } else if (value.p && str_eq_nocase(name, STR("Content-Type"))) {
        buf_clear(&t->type);
        buf_put(&t->type, str_trim(value));
    }
    return t->err ? 0 : size * count;
}

static size_t on_body(char *bytes, size_t size, size_t count, void *arg)
{
    struct transfer *t = arg;
    struct respond_call *c = t->call;
    const struct pieces_taker taker = {.take = take_piece, .ctx = t};
    if (t->err || !t->begun || atomic_load(&c->cancelled)) {
        return 0;
    }
    if (atomic_load(&c->unread) >= (size_t)limit(t, LIMIT_ROW_RESPONDER_UNREAD_BYTES)) {
        t->paused = true;
        return CURL_WRITEFUNC_PAUSE;
    }
    t->since_mono_ms = clock_now().mono_ms;
    t->body_bytes += size * count;
    if (t->body_bytes > (size_t)limit(t, LIMIT_ROW_RESPONDER_BYTES)) {
        hit(t, LIMIT_ROW_RESPONDER_BYTES, -E_TOO_LARGE,
            "The responder's answer is larger than one may be.");
        return 0;
    }
    fault_pieces(t, pieces_feed(&t->pieces, str_make(bytes, size * count), &taker));
    return t->err ? 0 : size * count;
}

// --- life ---

static void set_options(struct transfer *t, const struct responder *r)
{
    CURL *e = t->easy;
    const struct respond_call *c = t->call;
    (void)curl_easy_setopt(e, CURLOPT_URL, r->url);
    (void)curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
    (void)curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L);
    (void)curl_easy_setopt(e, CURLOPT_PROXY, "");
    (void)curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    (void)curl_easy_setopt(e, CURLOPT_HTTPHEADER, t->upstream->headers);
    (void)curl_easy_setopt(e, CURLOPT_POST, 1L);
    (void)curl_easy_setopt(e, CURLOPT_POSTFIELDS, c->body.p);
    (void)curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)c->body.len);
    (void)curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS,
                           (long)limit(t, LIMIT_ROW_RESPONDER_CONNECT_MS));
    (void)curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, (long)limit(t, LIMIT_ROW_RESPONDER_TOTAL_MS));
    (void)curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, on_head);
    (void)curl_easy_setopt(e, CURLOPT_HEADERDATA, t);
    (void)curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body);
    (void)curl_easy_setopt(e, CURLOPT_WRITEDATA, t);
    (void)curl_easy_setopt(e, CURLOPT_PRIVATE, t);
}

struct transfer *transfer_try_new(struct upstream *u, struct respond_call *c, int64_t mono_ms)
{
    struct transfer *t = mem_try_alloc(sizeof(*t));
    if (!t) {
        return NULL;
    }
    t->upstream = u;
    t->call = c;
    t->since_mono_ms = mono_ms;
    buf_init(&t->type, TYPE_BYTES_MAX);
    t->easy = curl_easy_init();
    if (t->easy) {
        set_options(t, &u->responders[c->responder]);
    }
    if (!t->easy || curl_multi_add_handle(u->multi, t->easy) != CURLM_OK) {
        curl_easy_cleanup(t->easy);
        mem_free(t);
        return NULL;
    }
    c->transfer = t;
    list_push_back(&u->transfers, &t->node);
    u->transfers_count++;
    return t;
}

void transfer_end(struct transfer *t)
{
    struct upstream *u = t->upstream;
    struct respond_call *c = t->call;
    (void)curl_multi_remove_handle(u->multi, t->easy);
    curl_easy_cleanup(t->easy);
    if (t->begun) {
        pieces_fini(&t->pieces);
    }
    buf_fini(&t->type);
    list_del(&t->node);
    u->transfers_count--;
    c->transfer = NULL;
    upstream_end_call(c, t->err, t->text);
    mem_free(t);
}

// --- the end ---

static void fault_code(struct transfer *t, CURLcode code)
{
    static const struct {
        CURLcode code;
        const char *text;
    } rows[] = {
        {CURLE_COULDNT_RESOLVE_HOST, "The responder's host name is not known."},
        {CURLE_COULDNT_CONNECT, "The responder can't be reached."},
        {CURLE_PARTIAL_FILE, "The responder broke off its answer."},
        {CURLE_RECV_ERROR, "The responder broke off its answer."},
        {CURLE_SEND_ERROR, "The responder broke off the connection."},
        {CURLE_GOT_NOTHING, "The responder closed the connection without an answer."},
        {CURLE_PEER_FAILED_VERIFICATION, "The responder's certificate is not valid."},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (rows[i].code == code) {
            (void)fault(t, -E_UNAVAILABLE, rows[i].text);
        }
    }
    (void)fault(t, -E_UNAVAILABLE, "The responder's answer is not one of HTTP.");
}

static void fault_time(struct transfer *t)
{
    curl_off_t connected = 0;
    (void)curl_easy_getinfo(t->easy, CURLINFO_PRETRANSFER_TIME_T, &connected);
    if (connected == 0) {
        hit(t, LIMIT_ROW_RESPONDER_CONNECT_MS, -E_UNAVAILABLE,
            "The responder took too long to be connected to.");
    } else {
        hit(t, LIMIT_ROW_RESPONDER_TOTAL_MS, -E_UNAVAILABLE,
            "The responder's answer took longer than one may.");
    }
}

void transfer_done(struct transfer *t, CURLcode code)
{
    const struct pieces_taker taker = {.take = take_piece, .ctx = t};
    if (!t->err && atomic_load(&t->call->cancelled)) {
        (void)fault(t, -E_CLOSED, "");
    } else if (code == CURLE_OPERATION_TIMEDOUT) {
        fault_time(t);
    } else if (!t->err && code != CURLE_OK) {
        fault_code(t, code);
    } else if (!t->err && !t->begun) {
        fault_code(t, CURLE_WEIRD_SERVER_REPLY);
    } else if (!t->err && t->body_bytes > 0) {
        fault_pieces(t, pieces_end(&t->pieces, &taker));
    }
    transfer_end(t);
}

int64_t transfer_due(const struct transfer *t)
{
    if (t->paused) {
        return INT64_MAX;
    }
    return t->since_mono_ms +
           limit(t, t->begun ? LIMIT_ROW_RESPONDER_IDLE_MS : LIMIT_ROW_RESPONDER_FIRST_MS);
}

bool transfer_late(struct transfer *t, int64_t mono_ms)
{
    if (mono_ms < transfer_due(t)) {
        return false;
    }
    if (t->begun) {
        hit(t, LIMIT_ROW_RESPONDER_IDLE_MS, -E_UNAVAILABLE, "The responder fell silent.");
    } else {
        hit(t, LIMIT_ROW_RESPONDER_FIRST_MS, -E_UNAVAILABLE, "The responder does not answer.");
    }
    transfer_end(t);
    return true;
}

void transfer_nudged(struct transfer *t, int64_t mono_ms)
{
    struct respond_call *c = t->call;
    if (atomic_load(&c->cancelled)) {
        (void)fault(t, -E_CLOSED, "");
        transfer_end(t);
        return;
    }
    size_t low = (size_t)limit(t, LIMIT_ROW_RESPONDER_UNREAD_BYTES) / 2;
    if (t->paused && atomic_load(&c->unread) <= low) {
        t->paused = false;
        t->since_mono_ms = mono_ms;
        CURLcode code = curl_easy_pause(t->easy, CURLPAUSE_CONT);
        if (code != CURLE_OK) {
            transfer_done(t, code);
        }
    }
}
