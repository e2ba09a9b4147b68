/* Just enough of UTF-8: is it valid, and which characters must not be printed as they are. */
#ifndef RK_CONFIG_UTF8_H
#define RK_CONFIG_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes of the character at text, 0 if it is none (overlong, surrogate, cut off); left > 0. */
size_t rk__utf8_length(const char *text, size_t left);

/* Whether all of it is UTF-8. */
bool rk__utf8_is_valid(const char *text, size_t length);

/* Its code point; rk__utf8_length(text) = length > 0. */
uint32_t rk__utf8_code(const char *text, size_t length);

/* Controls, line separators, byte order mark, non-characters: YAML has them only escaped. */
int rk__utf8_is_special(uint32_t code);

/* Printable, at most 60 bytes of a user's text, for messages. */
typedef struct rk_excerpt {
    char text[72];
} rk_excerpt;
rk_excerpt rk__excerpt(const char *text, size_t length);

#endif
