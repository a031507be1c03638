// SPDX-License-Identifier: MIT
// A client's TLS: whom it trusts.
#include <openssl/err.h>

#include "base/err.h"
#include "wire/tls_int.h"

int tls_client_new(const char *ca_file, struct tls_context **ret, struct tls_fault *fault)
{
    static const unsigned char alpn[] = "\x08http/1.1";
    struct tls_context *x = tls_context_try_new(TLS_client_method());
    ERR_clear_error();
    if (!x || SSL_CTX_set_alpn_protos(x->ssl, alpn, sizeof(alpn) - 1) != 0) {
        tls_context_unref(x);
        return tls_fault_set(fault, false, "OpenSSL can't be set up: %s", tls_last_error());
    }
    SSL_CTX_set_verify(x->ssl, SSL_VERIFY_PEER, NULL);
    if ((ca_file ? SSL_CTX_load_verify_file(x->ssl, ca_file)
                 : SSL_CTX_set_default_verify_paths(x->ssl)) != 1) {
        tls_context_unref(x);
        return tls_fault_set(fault, false, "holds no certificates to trust: %s", tls_last_error());
    }
    ERR_clear_error();
    *ret = x;
    return 0;
}
