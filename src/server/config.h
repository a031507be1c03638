// SPDX-License-Identifier: MIT
// The configuration: a YAML file, then the environment, then flags. The keys are those of
// def/config.def; an unknown key, a wrong type or an impossible value is an error that names file,
// line and key. Read at start, then constant.
#ifndef CLAIRON_SERVER_CONFIG_H
#define CLAIRON_SERVER_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/limits.h"
#include "base/str.h"
#include "net/addr.h"

#define CONFIG_LIST_MAX 64

struct config_list {
    struct str items[CONFIG_LIST_MAX];
    unsigned count;
};

struct config_blocks {
    struct net_block items[CONFIG_LIST_MAX];
    unsigned count;
};

typedef bool config_bool;
typedef uint64_t config_uint;

// One member per key, named section_key.
struct config {
    struct config_list server_listen, server_hosts, channels_default, channels_retained,
        channels_responders, tls_listen;
    struct str channels_responder_token_file;
    struct config_blocks server_trusted_proxies, limits_exempt;
    config_uint websocket_compression_threshold;
    config_uint server_workers, store_retention_hours, store_job_log_mb;
    struct str server_send, server_user, server_sandbox, log_format, store_data;
    struct str websocket_cors_origin;
    struct str auth_secret_file, auth_public_key_file, auth_jwks_file;
    struct str auth_issuer, auth_audience, auth_cookie, auth_signing_key_file;
    config_uint auth_leeway_s;
    struct config_list auth_default_subscribe, auth_default_publish;
    struct str tls_certificate_file, tls_key_file;
    config_bool websocket_enabled, websocket_compression, websocket_compression_shared;
    config_bool auth_allow_remote_without_auth, server_proxy_protocol;
    struct limits limits;      // section limits: one key per row of def/limits.def that can be set
    struct config_text *texts; // what the spans point into
};

struct config_fault {
    char text[600];
};

void config_init(struct config *c); // the defaults
void config_fini(struct config *c);
// -E_BAD_REQUEST (with the fault), -E_IO.
int config_read_file(struct config *c, const char *path, struct config_fault *fault) MUST_CHECK;
// The same from memory; `name` stands for the path in faults. -E_BAD_REQUEST, -E_NO_MEMORY.
int config_read_text(struct config *c, struct str text, const char *name,
                     struct config_fault *fault) MUST_CHECK;
// CLAIRON__SECTION__KEY, WEBSOCKET_ENABLED and WEBSOCKET_CORS_ORIGIN.
int config_read_environ(struct config *c, char *const *environ,
                        struct config_fault *fault) MUST_CHECK;

// The files that keys named ..._file name; at most `max`. Returns how many.
unsigned config_files(const struct config *c, struct str *ret, unsigned max);

#endif
