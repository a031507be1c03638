// SPDX-License-Identifier: MIT
// Cursors: what is read is exactly what would be written.
#include "wire/cursor.h"

#include "fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = fuzz_input(data, size);
    struct cursor c;
    if (cursor_parse(text, &c) == 0) {
        char out[CURSOR_TEXT_MAX];
        size_t len = cursor_text(c, out);
        ASSERT(str_eq(str_make(out, len), text));
    }
    return 0;
}
