/* UTF-8, character by character, as everything reads it that the program writes. */
#ifndef RK_TEXT_UTF8_H
#define RK_TEXT_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The character at *at, before `end`, and *at moves past it; U+FFFD for a byte that is not part of
 * one: then *at moves by one byte, by which it is told from a U+FFFD that is written. */
uint32_t text_utf8_next(const char **at, const char *end);

/* Whether all of it is UTF-8. */
bool text_utf8_is_valid(const char *text, size_t length);

#endif
