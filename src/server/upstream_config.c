// SPDX-License-Identifier: MIT
// Where questions go: channels.responders, and the token that goes along.
#include <nss.h>
#include <stdio.h>
#include <string.h>

#include "auth/keyfile.h"
#include "base/err.h"
#include "base/mem.h"
#include "hub/topic.h"
#include "server/upstream_int.h"
#include "wire/url.h"

#define TOKEN_BYTES_MAX 4096

static int fault_at(struct config_fault *fault, const char *what, struct str item)
{
    (void)snprintf(fault->text, sizeof(fault->text), "channels.responders: %s: \"%.*s\"", what,
                   (int)(item.len > 200 ? 200 : item.len), item.p);
    return -E_BAD_REQUEST;
}

static bool channel_valid(struct str channel)
{
    char topic[LIMIT_TOPIC_BYTES + 1];
    int len = snprintf(topic, sizeof(topic), "channel:%.*s", STR_ARG(channel));
    return channel.len > 0 && len < (int)sizeof(topic) && topic_valid(str_make(topic, (size_t)len));
}

static int read_one(struct upstream *u, struct str item, struct config_fault *fault)
{
    struct str rest = item, channel = str_cut(&rest, '=');
    bool shown = str_ends(channel, STR("+"));
    struct url url;
    if (shown) {
        channel.len--;
    }
    channel = str_trim(channel);
    if (!rest.p || !channel_valid(channel)) {
        return fault_at(fault, "must be CHANNEL=URL, or CHANNEL+=URL", item);
    }
    struct str where = str_trim(rest);
    bool https = str_starts(where, STR("https://"));
    if (url_parse(where, &url) != 0 || (!https && !str_starts(where, STR("http://")))) {
        return fault_at(fault, "must be an http or https URL, without a user", item);
    }
    for (unsigned i = 0; i < u->responders_count; i++) {
        if (str_eq(u->responders[i].channel, channel)) {
            return fault_at(fault, "the channel has a responder already", item);
        }
    }
    u->responders[u->responders_count++] = (struct responder){.channel = channel,
                                                              .url = mem_strdup(where),
                                                              .port = url_origin_port(&url.origin),
                                                              .shown = shown};
    return 0;
}

static bool token_valid(struct str token)
{
    for (size_t i = 0; i < token.len; i++) {
        if (token.p[i] <= ' ' || token.p[i] >= 0x7f) {
            return false;
        }
    }
    return token.len > 0 && token.len <= TOKEN_BYTES_MAX;
}

static int add_header(struct upstream *u, const char *line)
{
    struct curl_slist *more = curl_slist_append(u->headers, line);
    u->headers = more ? more : u->headers;
    return more ? 0 : -E_NO_MEMORY;
}

static int read_token(struct upstream *u, struct str path, struct config_fault *fault)
{
    struct keyfile file;
    struct key_fault why;
    char line[TOKEN_BYTES_MAX + 40];
    if (keyfile_read(path.p, KEYFILE_OWN, &file, &why) != 0) {
        (void)snprintf(fault->text, sizeof(fault->text), "%s", why.text);
        return -E_BAD_REQUEST;
    }
    struct str rest = keyfile_str(&file), token = str_trim(str_cut(&rest, '\n'));
    int err = token_valid(token) && !rest.len ? 0 : -E_BAD_REQUEST;
    if (err) {
        (void)snprintf(fault->text, sizeof(fault->text),
                       "%.300s: must hold one token, visible characters only", path.p);
    } else {
        (void)snprintf(line, sizeof(line), "Authorization: Bearer %.*s", STR_ARG(token));
        err = add_header(u, line);
    }
    explicit_bzero(line, sizeof(line));
    keyfile_fini(&file);
    return err;
}

int upstream_read_config(struct upstream *u, struct config_fault *fault)
{
    static const char *const lines[] = {"Content-Type: application/json",
                                        "Accept: text/event-stream, application/x-ndjson, "
                                        "text/plain, application/json",
                                        "User-Agent: clairon/" CLAIRON_VERSION, "Expect:"};
    const struct config_list *list = &u->config->channels_responders;
    int err = 0;
    for (unsigned i = 0; i < list->count && !err; i++) {
        err = read_one(u, list->items[i], fault);
    }
    for (size_t i = 0; i < ARRAY_LEN(lines) && !err; i++) {
        err = add_header(u, lines[i]);
    }
    if (!err && u->config->channels_responder_token_file.len) {
        err = read_token(u, u->config->channels_responder_token_file, fault);
    }
    // Names are looked up by what libc has built in: other ways are libraries that the sandbox lets
    // nobody load.
    (void)__nss_configure_lookup("hosts", "files dns");
    return err;
}
