// SPDX-License-Identifier: MIT
// What native clients say, one message a line, to a whole hub (hub.h): the connection stays open
// whatever they hold, what names a `ref` is answered with it, and a ping behind it all still gets
// its pong. All answers are checked by the client (client.h).
#include "base/utf8.h"
#include "def/limits.h"
#include "fuzz/fuzz.h"
#include "fuzz/hub.h"
#include "fuzz/kernel.h"
#include "wire/json.h"

enum { LINES_MAX = 24, REF_MAX = 100 };

struct seen {
    struct str ref; // waited for; p = NULL: none
    unsigned refs, pongs;
};

static void on_message(struct client *c, struct str text)
{
    struct seen *s = c->arg;
    struct json_val object;
    size_t offset;
    int rc = json_parse(text, 2 * LIMIT_JSON_DEPTH, &object, &offset);
    ASSERT(rc == 0);
    struct json_val type = json_get(object, "type"), ref = json_get(object, "ref");
    s->pongs += type.type == JSON_STRING && json_string_is(type, STR("pong"));
    s->refs += s->ref.p && ref.type != JSON_NONE && str_eq(ref.raw, s->ref);
}

static void upgrade(struct hub *h, struct client *c)
{
    client_say(c, STR("GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
                      "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"));
    hub_settle(h);
    ASSERT(c->is_ws && c->native && c->messages > 0);
}

// A ref that must come back; p = NULL when none must.
static struct str ref_of(struct str text)
{
    struct json_val object;
    size_t offset;
    if (json_parse(text, LIMIT_JSON_DEPTH, &object, &offset) != 0 || object.type != JSON_OBJECT) {
        return STR_NONE;
    }
    struct json_val ref = json_get(object, "ref"), type = json_get(object, "type");
    bool named = ref.type == JSON_NUMBER || ref.type == JSON_STRING;
    bool swallowed = type.type == JSON_STRING && json_string_is(type, STR("WEBSOCKET_PONG"));
    return named && !swallowed && ref.raw.len <= REF_MAX ? ref.raw : STR_NONE;
}

static void say(struct hub *h, struct client *c, struct str line)
{
    struct seen *s = c->arg;
    s->ref = ref_of(line);
    s->refs = 0;
    client_say_frame(c, 0x81, line);
    hub_pass_ms(h, 20); // below the limit of messages per second
    hub_settle(h);
    ASSERT(!c->ws_closed && c->peer->open);
    ASSERT(!s->ref.p || s->refs > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct hub hub;
    struct str text = fuzz_input(data, size);
    struct seen seen = {0};
    if (!utf8_valid(text)) { // closes, see ws_frame
        return 0;
    }
    hub_start(&hub);
    (void)hub_open(&hub, 0);
    struct client *c = &hub.clients[0];
    c->on_message = on_message;
    c->arg = &seen;
    upgrade(&hub, c);
    for (unsigned i = 0; i < LINES_MAX && text.p; i++) {
        say(&hub, c, str_cut(&text, '\n'));
    }
    seen.pongs = 0;
    say(&hub, c, STR("ping"));
    ASSERT(seen.pongs == 1);
    hub_stop(&hub);
    return 0;
}
