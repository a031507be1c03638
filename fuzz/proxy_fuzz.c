// SPDX-License-Identifier: MIT
// The PROXY protocol: a header is whole at one byte and at no other, what comes behind it changes
// nothing, and what was refused stays refused.
#include "base/err.h"
#include "fuzz/fuzz.h"
#include "wire/proxy.h"

static int parse(struct str in, size_t n, struct proxy_header *ret)
{
    char *p = fuzz_copy(str_make(in.p, n));
    int rc = proxy_parse(str_make(p, n), ret);
    free(p);
    return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str in = fuzz_input(data, size);
    struct proxy_header whole, part;
    int rc = parse(in, in.len, &whole);
    ASSERT(rc == 0 || rc == -E_AGAIN || rc == -E_PROTOCOL || rc == -E_TOO_LARGE);
    ASSERT(rc != -E_AGAIN || in.len < PROXY_BYTES_MAX);
    if (rc == 0) {
        ASSERT(whole.len <= in.len && whole.len <= PROXY_BYTES_MAX);
        ASSERT(whole.family == 0 || whole.family == 4 || whole.family == 6);
    }
    // Where it is decided, and that it is decided once. Long ones are long because of what is
    // skipped: a look at their ends is enough.
    size_t limit = in.len < 300 ? in.len : 300;
    for (size_t n = 0; n < limit; n++) {
        int early = parse(in, n, &part);
        if (early != -E_AGAIN) {
            ASSERT(early == rc && (rc != 0 || (whole.len == n && part.len == n)));
            break;
        }
        ASSERT(rc != 0 || n < whole.len);
    }
    return 0;
}
