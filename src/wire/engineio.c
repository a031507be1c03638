// SPDX-License-Identifier: MIT
// Engine.IO packets and payloads.
#include "wire/engineio.h"

#include "base/assert.h"
#include "base/base64.h"
#include "base/err.h"
#include "base/utf8.h"

// ---- The request.

void engineio_read_query(const struct url_query *q, struct engineio_query *ret)
{
    struct str transport = url_query_get(q, "transport"), sid = url_query_get(q, "sid");
    *ret = (struct engineio_query){
        .transport = str_is(transport, "polling")     ? ENGINEIO_POLLING
                     : str_is(transport, "websocket") ? ENGINEIO_WEBSOCKET
                                                      : ENGINEIO_UNKNOWN,
        .version_4 = str_is(url_query_get(q, "EIO"), "4"),
        .base64 = str_is(url_query_get(q, "b64"), "1"),
        .sid = sid.len > 0 ? sid : STR_NONE,
    };
}

static const struct {
    int status;
    const char *text;
} errors[ENGINEIO_ERROR_NR] = {
    [ENGINEIO_TRANSPORT_UNKNOWN] = {400, "Transport unknown"},
    [ENGINEIO_SID_UNKNOWN] = {400, "Session ID unknown"},
    [ENGINEIO_HANDSHAKE_METHOD] = {400, "Bad handshake method"},
    [ENGINEIO_BAD_REQUEST] = {400, "Bad request"},
    [ENGINEIO_FORBIDDEN] = {403, "Forbidden"},
    [ENGINEIO_VERSION] = {400, "Unsupported protocol version"},
};

enum engineio_error engineio_check(const struct engineio_request *r)
{
    const struct engineio_query *q = &r->query;
    if (q->transport == ENGINEIO_UNKNOWN) {
        return ENGINEIO_TRANSPORT_UNKNOWN;
    }
    if (q->sid.p && !r->known) {
        return ENGINEIO_SID_UNKNOWN;
    }
    if (!q->sid.p && !r->get) {
        return ENGINEIO_HANDSHAKE_METHOD;
    }
    if ((q->transport == ENGINEIO_WEBSOCKET) != r->upgrade) {
        return ENGINEIO_BAD_REQUEST;
    }
    // Who has a session has told the version before.
    return q->sid.p || q->version_4 ? ENGINEIO_ERROR_NR : ENGINEIO_VERSION;
}

int engineio_error_status(enum engineio_error e)
{
    ASSERT(e < ENGINEIO_ERROR_NR);
    return errors[e].status;
}

const char *engineio_error_text(enum engineio_error e)
{
    ASSERT(e < ENGINEIO_ERROR_NR);
    return errors[e].text;
}

void engineio_put_error(struct buf *b, enum engineio_error e, struct str message)
{
    buf_putf(b, "{\"code\":%d,\"message\":", (int)e);
    buf_put_json(b, message.p ? message : str_of(engineio_error_text(e)));
    buf_putc(b, '}');
}

// ---- Packets.

int engineio_decode(struct str text, struct buf *bytes, struct engineio_packet *ret)
{
    buf_clear(bytes);
    if (text.len == 0) {
        return -E_PROTOCOL;
    }
    struct str data = str_from(text, 1);
    if (text.p[0] == 'b') {
        if (base64_decode(data, bytes)) {
            return -E_PROTOCOL;
        }
        if (bytes->failed) {
            return data.len / 4 * 3 > bytes->max ? -E_TOO_LARGE : -E_NO_MEMORY;
        }
        *ret = (struct engineio_packet){ENGINEIO_MESSAGE, true, buf_str(bytes)};
        return 0;
    }
    unsigned type = (unsigned char)text.p[0] - (unsigned)'0';
    if (type >= ENGINEIO_TYPES) {
        return -E_PROTOCOL;
    }
    *ret = (struct engineio_packet){(enum engineio_type)type, false, data};
    return 0;
}

void engineio_put_packet(struct buf *b, const struct engineio_packet *p)
{
    ASSERT(p->type < ENGINEIO_TYPES && (!p->binary || p->type == ENGINEIO_MESSAGE));
    if (p->binary) {
        buf_putc(b, 'b');
        base64_put(b, p->data);
    } else {
        buf_putc(b, (char)('0' + p->type));
        buf_put(b, p->data);
    }
}

size_t engineio_packet_bytes(const struct engineio_packet *p)
{
    return 1 + (p->binary ? base64_chars(p->data.len) : p->data.len);
}

void engineio_put_open(struct buf *b, const struct engineio_handshake *h)
{
    buf_put(b, STR("0{\"sid\":\""));
    buf_put(b, h->sid);
    buf_put(b, h->can_upgrade ? STR("\",\"upgrades\":[\"websocket\"]") : STR("\",\"upgrades\":[]"));
    buf_put(b, STR(",\"pingInterval\":"));
    buf_put_i64(b, h->ping_interval_ms);
    buf_put(b, STR(",\"pingTimeout\":"));
    buf_put_i64(b, h->ping_timeout_ms);
    buf_put(b, STR(",\"maxPayload\":"));
    buf_put_u64(b, h->payload_bytes_max);
    buf_putc(b, '}');
}

// ---- Payloads of polling.

void engineio_payload_init(struct engineio_payload *p, struct str body, size_t packets_max)
{
    *p = (struct engineio_payload){.rest = body.p ? body : STR(""), .packets_left = packets_max};
    buf_init(&p->bytes, body.len);
}

void engineio_payload_fini(struct engineio_payload *p)
{
    p->rest = STR_NONE;
    buf_fini(&p->bytes);
}

int engineio_payload_next(struct engineio_payload *p, struct engineio_packet *ret)
{
    if (!p->rest.p) {
        return -E_AGAIN;
    }
    if (p->packets_left == 0) {
        return -E_POLICY;
    }
    p->packets_left--;
    struct str text = str_cut(&p->rest, ENGINEIO_SEPARATOR);
    return utf8_valid(text) ? engineio_decode(text, &p->bytes, ret) : -E_UTF8;
}

bool engineio_payload_put(struct buf *b, const struct engineio_packet *p)
{
    size_t separator = b->len > 0, want = engineio_packet_bytes(p);
    if (b->failed || want > b->max - b->len || separator > b->max - b->len - want) {
        return false;
    }
    if (!buf_reserve(b, separator + want)) {
        return false;
    }
    if (separator) {
        buf_putc(b, ENGINEIO_SEPARATOR);
    }
    engineio_put_packet(b, p);
    return true;
}
