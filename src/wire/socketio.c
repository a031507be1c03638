// SPDX-License-Identifier: MIT
// Socket.IO packets, and the reader that waits for their attachments.
#include "wire/socketio.h"

#include "base/assert.h"
#include "base/err.h"
#include "base/mem.h"

enum { ID_DIGITS_MAX = 15 }; // below 2^53, the whole numbers of JavaScript

// The digits of the two types that announce attachments.
enum { BINARY_EVENT = 5, BINARY_ACK = 6 };

static int refuse(const char *why, const char **ret_why)
{
    *ret_why = why;
    return -E_PROTOCOL;
}

static bool is_digit(struct str s)
{
    return s.len > 0 && s.p[0] >= '0' && s.p[0] <= '9';
}

// Cuts the digits at the front of *rest.
static struct str cut_digits(struct str *rest)
{
    size_t len = 0;
    while (is_digit(str_from(*rest, len))) {
        len++;
    }
    struct str digits = str_make(rest->p, len);
    *rest = str_from(*rest, len);
    return digits;
}

// ---- Placeholders.

// An object or array that is open. Of members that come twice the last counts.
struct level {
    bool object;
    bool marked;                             // "_placeholder" is true
    enum member { OTHER, MARK, NUM } member; // whose value comes next
    struct json_val num;                     // "num"
};

struct walk {
    const char *p, *end;
    struct level levels[SOCKETIO_DEPTH_MAX];
    unsigned depth;
    bool key_next;
    unsigned count; // of attachments
    unsigned seen;  // a bit for each one named
};

// Behind the string that begins at p.
static const char *string_end(const char *p)
{
    for (p++; *p != '"'; p++) {
        p += *p == '\\';
    }
    return p + 1;
}

static const char *scalar_end(const char *p, const char *end)
{
    while (p < end && !strchr(",]} \t\r\n", *p)) {
        p++;
    }
    return p;
}

static void take_key(struct walk *w, struct json_val key)
{
    struct level *at = &w->levels[w->depth - 1];
    at->member = json_string_is(key, STR("_placeholder")) ? MARK
                 : json_string_is(key, STR("num"))        ? NUM
                                                          : OTHER;
    w->key_next = false;
}

// A value begins; containers come without their bytes.
static void take_value(struct walk *w, struct json_val value)
{
    struct level *at = &w->levels[w->depth - 1];
    if (at->object && at->member == MARK) {
        at->marked = json_is_true(value);
    } else if (at->object && at->member == NUM) {
        at->num = value;
    }
}

static void open_level(struct walk *w, bool object)
{
    ASSERT(w->depth < SOCKETIO_DEPTH_MAX);
    w->levels[w->depth++] = (struct level){.object = object};
    w->key_next = object;
}

static bool close_level(struct walk *w)
{
    const struct level *at = &w->levels[--w->depth];
    int64_t num;
    if (!at->marked) {
        return true;
    }
    if (json_int(at->num, &num) || num < 0 || num >= (int64_t)w->count || w->seen >> num & 1) {
        return false;
    }
    w->seen |= 1u << num;
    return true;
}

static void take_scalar(struct walk *w)
{
    const char *from = w->p;
    w->p = *from == '"' ? string_end(from) : scalar_end(from, w->end);
    enum json_type type = *from == '"'                   ? JSON_STRING
                          : *from == 't' || *from == 'f' ? JSON_BOOL
                          : *from == 'n'                 ? JSON_NULL
                                                         : JSON_NUMBER;
    struct json_val value = {type, str_make(from, (size_t)(w->p - from))};
    if (w->key_next) {
        take_key(w, value);
    } else {
        take_value(w, value);
    }
}

// Is each attachment named by exactly one placeholder, and no other? The payload is a valid
// container; one pass over its bytes.
static bool placeholders_match(struct json_val payload, unsigned count)
{
    struct walk w = {.p = payload.raw.p, .end = payload.raw.p + payload.raw.len, .count = count};
    while (w.p < w.end) {
        char c = *w.p;
        if (c == '{' || c == '[') {
            if (w.depth > 0) {
                struct json_val container = {c == '{' ? JSON_OBJECT : JSON_ARRAY, STR_NONE};
                take_value(&w, container);
            }
            open_level(&w, c == '{');
            w.p++;
        } else if (c == '}' || c == ']') {
            w.key_next = false;
            w.p++;
            if (!close_level(&w)) {
                return false;
            }
        } else if (c == ',') {
            w.key_next = w.levels[w.depth - 1].object;
            w.p++;
        } else if (strchr(": \t\r\n", c)) {
            w.p++;
        } else {
            take_scalar(&w);
        }
    }
    return w.seen == (1u << count) - 1;
}

// ---- Packets.

static const char *const reserved[] = {"connect",       "connect_error", "disconnect",
                                       "disconnecting", "newListener",   "removeListener"};

bool socketio_name_reserved(struct str name)
{
    for (size_t i = 0; i < ARRAY_LEN(reserved); i++) {
        if (str_is(name, reserved[i])) {
            return true;
        }
    }
    return false;
}

static bool is_reserved(struct json_val string)
{
    for (size_t i = 0; i < ARRAY_LEN(reserved); i++) {
        if (json_string_is(string, str_of(reserved[i]))) {
            return true;
        }
    }
    return false;
}

static int take_type(struct str *rest, struct socketio_packet *p, const char **ret_why)
{
    unsigned type = rest->len > 0 ? (unsigned char)rest->p[0] - (unsigned)'0' : BINARY_ACK + 1;
    if (type > BINARY_ACK) {
        return refuse("no such type of packet", ret_why);
    }
    *rest = str_from(*rest, 1);
    if (type < BINARY_EVENT) {
        p->type = (enum socketio_type)type;
        return 0;
    }
    p->type = type == BINARY_EVENT ? SOCKETIO_EVENT : SOCKETIO_ACK;
    uint64_t count;
    if (str_to_u64(cut_digits(rest), &count) || !str_starts(*rest, STR("-"))) {
        return refuse("number of attachments missing", ret_why);
    }
    if (count > SOCKETIO_ATTACHMENTS_MAX) {
        return refuse("too many attachments", ret_why);
    }
    *rest = str_from(*rest, 1);
    p->attachments = (unsigned)count;
    return 0;
}

static int take_nsp(struct str *rest, size_t bytes_max, struct socketio_packet *p,
                    const char **ret_why)
{
    p->nsp = STR("/");
    if (!str_starts(*rest, STR("/"))) {
        return 0;
    }
    p->nsp = str_cut(rest, ',');
    if (!rest->p) {
        *rest = STR("");
    }
    return p->nsp.len <= bytes_max ? 0 : refuse("namespace too long", ret_why);
}

static int take_id(struct str *rest, struct socketio_packet *p, const char **ret_why)
{
    if (!is_digit(*rest)) {
        return p->type == SOCKETIO_ACK ? refuse("answer to nothing", ret_why) : 0;
    }
    struct str digits = cut_digits(rest);
    if (digits.len > ID_DIGITS_MAX || str_to_u64(digits, &p->id)) {
        return refuse("ack id too large", ret_why);
    }
    p->has_id = true;
    return 0;
}

static bool payload_fits(struct socketio_packet *p)
{
    enum json_type type = p->payload.type;
    switch (p->type) {
    case SOCKETIO_CONNECT:
        return type == JSON_OBJECT || type == JSON_NONE;
    case SOCKETIO_DISCONNECT:
        return type == JSON_NONE;
    case SOCKETIO_CONNECT_ERROR:
        return type == JSON_OBJECT || type == JSON_STRING;
    case SOCKETIO_ACK:
        return type == JSON_ARRAY;
    default:
        break;
    }
    struct json_iter it = json_iter(p->payload);
    return type == JSON_ARRAY && json_next(&it, NULL, &p->name) &&
           (p->name.type == JSON_NUMBER || (p->name.type == JSON_STRING && !is_reserved(p->name)));
}

static int take_payload(struct str text, unsigned depth_max, struct socketio_packet *p,
                        const char **ret_why)
{
    size_t offset;
    // A blank in front could be read as an id by others.
    if (text.len > 0 &&
        (strchr(" \t\r\n", text.p[0]) || json_parse(text, depth_max, &p->payload, &offset))) {
        return refuse("payload is no JSON", ret_why);
    }
    if (!payload_fits(p)) {
        return refuse("payload does not fit the type", ret_why);
    }
    if (p->attachments > 0 && !placeholders_match(p->payload, p->attachments)) {
        return refuse("placeholders do not match the attachments", ret_why);
    }
    return 0;
}

int socketio_decode(struct str text, const struct socketio_limits *limits,
                    struct socketio_packet *ret, const char **ret_why)
{
    ASSERT(limits->depth_max <= SOCKETIO_DEPTH_MAX);
    struct socketio_packet p = {0};
    struct str rest = text;
    int rc = take_type(&rest, &p, ret_why);
    if (rc == 0) {
        rc = take_nsp(&rest, limits->nsp_bytes_max, &p, ret_why);
    }
    if (rc == 0) {
        rc = take_id(&rest, &p, ret_why);
    }
    if (rc == 0) {
        rc = take_payload(rest, limits->depth_max, &p, ret_why);
    }
    if (rc == 0) {
        *ret = p;
    }
    return rc;
}

void socketio_put_head(struct buf *b, const struct socketio_packet *p)
{
    ASSERT(p->type < SOCKETIO_TYPES && p->attachments <= SOCKETIO_ATTACHMENTS_MAX);
    bool binary = p->attachments > 0; // clients refuse a binary type without attachments
    ASSERT(!binary || p->type == SOCKETIO_EVENT || p->type == SOCKETIO_ACK);
    unsigned type = !binary                     ? (unsigned)p->type
                    : p->type == SOCKETIO_EVENT ? (unsigned)BINARY_EVENT
                                                : (unsigned)BINARY_ACK;
    buf_putc(b, (char)('0' + type));
    if (binary) {
        buf_put_u64(b, p->attachments);
        buf_putc(b, '-');
    }
    if (!str_is(p->nsp, "/")) {
        buf_put(b, p->nsp);
        buf_putc(b, ',');
    }
    if (p->has_id) {
        buf_put_u64(b, p->id);
    }
}

void socketio_put(struct buf *b, const struct socketio_packet *p)
{
    socketio_put_head(b, p);
    buf_put(b, p->payload.raw);
}

// ---- Reading. A packet is copied only when attachments are to come.

struct socketio_pending {
    struct socketio_packet packet;
    struct buf text;  // what the packet's spans point into
    struct buf bytes; // the attachments, one behind the other
    unsigned count;   // that came
    size_t ends[SOCKETIO_ATTACHMENTS_MAX];
    struct str parts[SOCKETIO_ATTACHMENTS_MAX];
};

void socketio_reader_init(struct socketio_reader *r, const struct socketio_limits *limits)
{
    *r = (struct socketio_reader){.limits = limits};
}

void socketio_reader_fini(struct socketio_reader *r)
{
    if (r->pending) {
        buf_fini(&r->pending->text);
        buf_fini(&r->pending->bytes);
        mem_free(r->pending);
        r->pending = NULL;
    }
}

bool socketio_reader_waits(const struct socketio_reader *r)
{
    return r->pending && r->pending->count < r->pending->packet.attachments;
}

void socketio_reader_release(struct socketio_reader *r)
{
    if (!socketio_reader_waits(r)) {
        socketio_reader_fini(r);
    }
}

static int fail(struct socketio_reader *r, int err, const char *why)
{
    r->why = why;
    socketio_reader_fini(r);
    return -err;
}

// The packet's spans, in a copy of their text.
static struct str moved(struct str span, struct str from, struct str to)
{
    bool inside = span.p >= from.p && span.p <= from.p + from.len;
    return inside ? str_make(to.p + (span.p - from.p), span.len) : span;
}

static int keep(struct socketio_reader *r, struct str text, const struct socketio_packet *packet)
{
    struct socketio_pending *w = mem_try_alloc(sizeof(*w));
    if (!w) {
        return fail(r, E_NO_MEMORY, "out of memory");
    }
    r->pending = w;
    w->packet = *packet;
    buf_init(&w->text, text.len);
    buf_init(&w->bytes, r->limits->attached_bytes_max);
    buf_put(&w->text, text);
    if (w->text.failed) {
        return fail(r, E_NO_MEMORY, "out of memory");
    }
    struct str copy = buf_str(&w->text);
    w->packet.nsp = moved(packet->nsp, text, copy);
    w->packet.payload.raw = moved(packet->payload.raw, text, copy);
    w->packet.name.raw = moved(packet->name.raw, text, copy);
    return -E_AGAIN;
}

int socketio_reader_text(struct socketio_reader *r, struct str text, struct socketio_packet *ret)
{
    struct socketio_packet packet;
    if (socketio_reader_waits(r)) {
        return fail(r, E_PROTOCOL, "text where an attachment was announced");
    }
    socketio_reader_release(r);
    int rc = socketio_decode(text, r->limits, &packet, &r->why);
    if (rc) {
        return rc;
    }
    if (packet.attachments > 0) {
        return keep(r, text, &packet);
    }
    *ret = packet;
    return 0;
}

int socketio_reader_bytes(struct socketio_reader *r, struct str bytes, struct socketio_packet *ret)
{
    struct socketio_pending *w = r->pending;
    if (!socketio_reader_waits(r)) {
        return fail(r, E_PROTOCOL, "an attachment nobody announced");
    }
    if (bytes.len > w->bytes.max - w->bytes.len) {
        return fail(r, E_TOO_LARGE, "attachments too large");
    }
    buf_put(&w->bytes, bytes);
    if (w->bytes.failed) {
        return fail(r, E_NO_MEMORY, "out of memory");
    }
    w->ends[w->count++] = w->bytes.len;
    if (w->count < w->packet.attachments) {
        return -E_AGAIN;
    }
    struct str all = buf_str(&w->bytes);
    for (size_t i = 0, from = 0; i < w->count; from = w->ends[i++]) {
        w->parts[i] = str_make(all.p + from, w->ends[i] - from);
    }
    w->packet.attached = w->parts;
    *ret = w->packet;
    return 0;
}
