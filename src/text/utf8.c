#include "text/utf8.h"

uint32_t text_utf8_next(const char **at, const char *end)
{
    /* smallest code point that needs this many bytes: anything below is an overlong form */
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    const unsigned char *s = (const unsigned char *)*at;
    uint32_t value = s[0];
    int length = s[0] < 0x80                   ? 1
                 : s[0] >= 0xC2 && s[0] < 0xE0 ? 2
                 : s[0] >= 0xE0 && s[0] < 0xF0 ? 3
                 : s[0] >= 0xF0 && s[0] < 0xF5 ? 4
                                               : 0;
    const bool is_whole = length <= end - *at;
    *at += 1;
    if (length == 1) {
        return value;
    }
    if (length == 0 || !is_whole) {
        return 0xFFFD;
    }
    value &= 0x7FU >> length;
    for (int i = 1; i < length; i++) {
        if ((s[i] & 0xC0) != 0x80) {
            return 0xFFFD;
        }
        value = value << 6 | (s[i] & 0x3F);
    }
    if (value < least[length] || value > 0x10FFFF || (value >= 0xD800 && value < 0xE000)) {
        return 0xFFFD;
    }
    *at += length - 1;
    return value;
}

bool text_utf8_is_valid(const char *text, size_t length)
{
    const char *at = text, *end = text + length;
    while (at < end) {
        const char *start = at;
        if (text_utf8_next(&at, end) == 0xFFFD && at == start + 1) {
            return false;
        }
    }
    return true;
}
