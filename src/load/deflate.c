// SPDX-License-Identifier: MIT
// permessage-deflate as a client of a load test asks for it.
#include "load/deflate.h"

#include "base/err.h"

// Windows are no matter: the largest serves for all.
static int take_param(struct str param, struct deflate_answer *a)
{
    struct str name = str_trim(str_cut(&param, '='));
    if (str_is(name, "server_no_context_takeover")) {
        a->takeover = false;
        return 0;
    }
    bool known = str_is(name, "client_no_context_takeover") ||
                 str_is(name, "server_max_window_bits") || str_is(name, "client_max_window_bits");
    return known ? 0 : -E_PROTOCOL;
}

int deflate_read_answer(const struct http1_head *h, struct deflate_answer *ret)
{
    struct deflate_answer a = {0};
    struct str item;
    for (struct http1_list it = http1_list(h, "Sec-WebSocket-Extensions");
         http1_list_next(&it, &item);) {
        if (a.agreed || !str_is(str_trim(str_cut(&item, ';')), DEFLATE_OFFER)) {
            return -E_PROTOCOL;
        }
        a = (struct deflate_answer){.agreed = true, .takeover = true};
        while (item.len > 0) {
            int rc = take_param(str_trim(str_cut(&item, ';')), &a);
            if (rc) {
                return rc;
            }
        }
    }
    *ret = a;
    return 0;
}
