// SPDX-License-Identifier: MIT
// A TLS connection between two pieces of memory.
#include "wire/tls.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "base/assert.h"
#include "base/err.h"
#include "base/mem.h"
#include "wire/tls_int.h"

enum {
    BIO_KIND = BIO_TYPE_SOURCE_SINK | 127, // below those that OpenSSL gives out, above its own
    UNREAD_BYTES_MAX = 1 << 20,            // what is fed at once
};

struct tls_conn {
    SSL *ssl;
    struct tls_context *context;
    const char *fed; // what is left of it
    size_t fed_len;
    struct buf unread; // fed and kept
    struct buf *out;   // of the call under way
    const char *why;
    unsigned requests; // handshake messages since the handshake
    bool more;         // reading was over for want of room
    bool broken;       // after an error nothing may be asked of it
    bool closed;       // close_notify was written
    bool http;
};

// ---- OpenSSL reads and writes ----

static int bio_read(BIO *b, char *p, int room)
{
    struct tls_conn *t = BIO_get_data(b);
    size_t n = t->fed_len < (size_t)room ? t->fed_len : (size_t)room;
    BIO_clear_retry_flags(b);
    if (n == 0) {
        BIO_set_retry_read(b);
        return -1;
    }
    memcpy(p, t->fed, n);
    t->fed += n;
    t->fed_len -= n;
    return (int)n;
}

static int bio_write(BIO *b, const char *p, int len)
{
    struct tls_conn *t = BIO_get_data(b);
    BIO_clear_retry_flags(b);
    buf_put_mem(t->out, p, (size_t)len);
    return t->out->failed ? -1 : len;
}

static long bio_ctrl(BIO *b UNUSED, int command, long n UNUSED, void *p UNUSED)
{
    return command == BIO_CTRL_FLUSH;
}

// RFC 8446 4.6.3 sets no bound to how often a peer may change its keys or ask for ours.
static void on_message(int written, int version UNUSED, int type, const void *p UNUSED,
                       size_t len UNUSED, SSL *ssl UNUSED, void *arg)
{
    struct tls_conn *t = arg;
    t->requests += !written && type == SSL3_RT_HANDSHAKE;
}

// ---- Contexts ----

const char *tls_last_error(void)
{
    const char *text = ERR_reason_error_string(ERR_peek_error());
    ERR_clear_error();
    return text ? text : "unknown error";
}

int tls_fault_set(struct tls_fault *fault, bool in_key, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vsnprintf(fault->text, sizeof(fault->text), fmt, args);
    va_end(args);
    fault->in_key = in_key;
    return -E_BAD_REQUEST;
}

struct tls_context *tls_context_try_new(const SSL_METHOD *method)
{
    struct tls_context *x = mem_alloc(sizeof(*x));
    atomic_init(&x->refs, 1);
    x->ssl = SSL_CTX_new(method);
    x->bio = BIO_meth_new(BIO_KIND, "memory of a connection");
    if (!x->ssl || !x->bio || !BIO_meth_set_read(x->bio, bio_read) ||
        !BIO_meth_set_write(x->bio, bio_write) || !BIO_meth_set_ctrl(x->bio, bio_ctrl) ||
        !SSL_CTX_set_min_proto_version(x->ssl, TLS1_2_VERSION)) {
        tls_context_unref(x);
        return NULL;
    }
    SSL_CTX_set_options(x->ssl, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_mode(x->ssl, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_session_cache_mode(x->ssl, SSL_SESS_CACHE_OFF);
    return x;
}

struct tls_context *tls_context_ref(struct tls_context *x)
{
    atomic_fetch_add_explicit(&x->refs, 1, memory_order_relaxed);
    return x;
}

void tls_context_unref(struct tls_context *x)
{
    if (x && atomic_fetch_sub_explicit(&x->refs, 1, memory_order_acq_rel) == 1) {
        SSL_CTX_free(x->ssl);
        BIO_meth_free(x->bio);
        mem_free(x);
    }
}

// ---- Life ----

// Whom the certificate must name, and the name that is told the server (RFC 6066 3), which is never
// an address.
static bool set_host(SSL *ssl, const char *host)
{
    X509_VERIFY_PARAM *param = SSL_get0_param(ssl);
    if (X509_VERIFY_PARAM_set1_ip_asc(param, host)) {
        return true;
    }
    ERR_clear_error();
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return SSL_set1_host(ssl, host) &&
           SSL_set_tlsext_host_name(ssl, (char *)(uintptr_t)host); // which copies it
}

struct tls_conn *tls_conn_try_new(struct tls_context *x, const char *host)
{
    struct tls_conn *t = mem_try_alloc(sizeof(*t));
    if (!t) {
        return NULL;
    }
    *t = (struct tls_conn){.context = tls_context_ref(x), .ssl = SSL_new(x->ssl), .why = ""};
    buf_init(&t->unread, UNREAD_BYTES_MAX);
    BIO *b = t->ssl ? BIO_new(x->bio) : NULL;
    if (!b) {
        tls_conn_free(t);
        return NULL;
    }
    BIO_set_data(b, t);
    BIO_set_init(b, 1);
    SSL_set_bio(t->ssl, b, b);
    if (!host) {
        SSL_set_accept_state(t->ssl);
        return t;
    }
    SSL_set_connect_state(t->ssl);
    if (!set_host(t->ssl, host)) {
        tls_conn_free(t);
        return NULL;
    }
    return t;
}

void tls_conn_free(struct tls_conn *t)
{
    if (!t) {
        return;
    }
    if (t->ssl) { // else it takes the lock of the context to forget a session that nobody keeps
        SSL_set_shutdown(t->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
        SSL_free(t->ssl);
    }
    buf_fini(&t->unread);
    tls_context_unref(t->context);
    mem_free(t);
}

// ---- Bytes in ----

void tls_conn_feed(struct tls_conn *t, const char *p, size_t len)
{
    ASSERT(t->fed_len == 0 && t->unread.len == 0);
    t->fed = p;
    t->fed_len = len;
    t->more = len > 0;
}

int tls_conn_keep(struct tls_conn *t)
{
    if (t->fed_len == 0) {
        buf_fini(&t->unread);
        return 0;
    }
    if (t->unread.len > 0) {
        return 0; // what was kept already
    }
    buf_put_mem(&t->unread, t->fed, t->fed_len);
    t->fed = t->unread.p;
    return t->unread.failed ? -E_NO_MEMORY : 0;
}

bool tls_conn_has_unread(const struct tls_conn *t)
{
    return t->more;
}

// Why a call of OpenSSL's did not succeed.
static int judge(struct tls_conn *t)
{
    switch (SSL_get_error(t->ssl, 0)) {
    case SSL_ERROR_WANT_READ:
        return -E_AGAIN;
    case SSL_ERROR_ZERO_RETURN:
        return -E_CLOSED;
    default:
        break;
    }
    t->broken = true;
    if (t->out->failed) {
        ERR_clear_error();
        t->why = "no memory";
        return -E_NO_MEMORY;
    }
    int reason = ERR_GET_REASON(ERR_peek_error());
    t->http = reason == SSL_R_HTTP_REQUEST;
    long verified = SSL_get_verify_result(t->ssl);
    t->why = reason == SSL_R_CERTIFICATE_VERIFY_FAILED && verified != X509_V_OK
                 ? X509_verify_cert_error_string(verified)
                 : tls_last_error();
    ERR_clear_error();
    return -E_PROTOCOL;
}

int tls_conn_handshake(struct tls_conn *t, struct buf *out)
{
    int err = 0;
    ASSERT(!t->broken);
    t->out = out;
    ERR_clear_error();
    if (SSL_do_handshake(t->ssl) != 1) {
        err = judge(t);
    } else {
        SSL_set_msg_callback(t->ssl, on_message);
        SSL_set_msg_callback_arg(t->ssl, t);
    }
    t->more = !err && (t->fed_len > 0 || SSL_has_pending(t->ssl));
    t->out = NULL;
    if (t->fed_len == 0) {
        buf_fini(&t->unread);
    }
    return err;
}

int tls_conn_read(struct tls_conn *t, char *p, size_t room, struct buf *out, size_t *ret_len)
{
    size_t len = 0;
    int err = 0;
    ASSERT(!t->broken);
    t->out = out;
    while (!err && len < room) {
        size_t n;
        ERR_clear_error();
        if (SSL_read_ex(t->ssl, p + len, room - len, &n) != 1) {
            err = judge(t);
        } else {
            len += n;
            // Spares OpenSSL getting a buffer to find nothing.
            err = t->fed_len == 0 && SSL_pending(t->ssl) == 0 ? -E_AGAIN : 0;
        }
    }
    t->out = NULL;
    t->more = !err;
    if (t->fed_len == 0) {
        buf_fini(&t->unread);
    }
    if (t->requests > TLS_REQUESTS_MAX && (!err || err == -E_AGAIN)) {
        t->why = "too many new keys";
        t->broken = true;
        err = -E_POLICY;
    }
    *ret_len = len;
    return err;
}

// ---- Bytes out ----

int tls_conn_write(struct tls_conn *t, struct str in, struct buf *out)
{
    int err = 0;
    size_t n;
    if (t->broken || t->closed) {
        return -E_CLOSED;
    }
    if (in.len == 0) {
        return 0;
    }
    t->out = out;
    ERR_clear_error();
    if (SSL_write_ex(t->ssl, in.p, in.len, &n) != 1) {
        err = judge(t);
    }
    t->out = NULL;
    return err;
}

void tls_conn_shutdown(struct tls_conn *t, struct buf *out)
{
    if (t->broken || t->closed || !SSL_is_init_finished(t->ssl)) {
        return;
    }
    t->closed = true;
    t->out = out;
    ERR_clear_error();
    (void)SSL_shutdown(t->ssl);
    ERR_clear_error();
    t->out = NULL;
}

bool tls_conn_resumed(const struct tls_conn *t)
{
    return SSL_session_reused(t->ssl) == 1;
}

bool tls_conn_got_http(const struct tls_conn *t)
{
    return t->http;
}

const char *tls_conn_why(const struct tls_conn *t)
{
    return t->why;
}
