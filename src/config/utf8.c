#include "config/utf8.h"

#include <string.h>

bool rk__utf8_is_valid(const char *text, size_t length)
{
    for (size_t at = 0; at < length;) {
        if ((unsigned char)text[at] < 0x80) {
            at++;
            continue;
        }
        size_t n = rk__utf8_length(text + at, length - at);
        if (n == 0) {
            return false;
        }
        at += n;
    }
    return true;
}

uint32_t rk__utf8_code(const char *text, size_t length)
{
    uint32_t first = (unsigned char)text[0];
    uint32_t code = length == 1 ? first : first & (0x7fu >> length);
    for (size_t i = 1; i < length; i++) {
        code = code << 6 | ((unsigned char)text[i] & 0x3fu);
    }
    return code;
}

size_t rk__utf8_length(const char *text, size_t left)
{
    static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    unsigned first = (unsigned char)text[0];
    size_t n = first < 0x80             ? 1
               : (first & 0xe0) == 0xc0 ? 2
               : (first & 0xf0) == 0xe0 ? 3
               : (first & 0xf8) == 0xf0 ? 4
                                        : 0;
    if (n > left) {
        return 0;
    }
    for (size_t i = 1; i < n; i++) {
        if (((unsigned char)text[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    uint32_t code = n > 0 ? rk__utf8_code(text, n) : 0;
    return code < smallest[n] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff) ? 0 : n;
}

int rk__utf8_is_special(uint32_t code)
{
    return code < 0x20 || (code >= 0x7f && code < 0xa0) || code == 0x2028 || code == 0x2029 ||
           code == 0xfeff || (code & 0xfffe) == 0xfffe;
}

rk_excerpt rk__excerpt(const char *text, size_t length)
{
    enum { SHOWN = 60 };
    rk_excerpt out = {{0}};
    size_t used = 0, i = 0;
    while (i < length && used < SHOWN - 4) {
        size_t n = rk__utf8_length(text + i, length - i);
        if (n == 0 || rk__utf8_is_special(rk__utf8_code(text + i, n))) {
            out.text[used++] = '?';
            i += n > 0 ? n : 1;
        } else {
            memcpy(out.text + used, text + i, n);
            used += n;
            i += n;
        }
    }
    if (i < length) {
        memcpy(out.text + used, "...", 3);
    }
    return out;
}
