// SPDX-License-Identifier: MIT
// The inside of TLS: a context, as tls_server.c and tls_client.c make it and tls.c uses it.
#ifndef CLAIRON_WIRE_TLS_INT_H
#define CLAIRON_WIRE_TLS_INT_H

#include <stdatomic.h>

#include <openssl/ssl.h>

#include "wire/tls.h"

struct tls_context {
    _Atomic(unsigned) refs;
    SSL_CTX *ssl;
    BIO_METHOD *bio;
};

// With what both sides have in common. NULL without memory.
struct tls_context *tls_context_try_new(const SSL_METHOD *method) MUST_CHECK;
// The text of the first error that OpenSSL has noted, which it then forgets.
const char *tls_last_error(void);
int tls_fault_set(struct tls_fault *fault, bool in_key, const char *fmt, ...) PRINTF_LIKE(3, 4);

#endif
