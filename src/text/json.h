/*
 * A JSON writer: commas, escapes and numbers in one place, for the commands' --json and the
 * service's answers alike, so that both print the same value as the same text.
 *
 * It writes straight on, through a function of the caller's, and holds nothing but which levels
 * have a member already.
 */
#ifndef RK_TEXT_JSON_H
#define RK_TEXT_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TEXT_JSON_DEPTH = 62 }; /* levels; who nests deeper must count them */

typedef struct text_json {
    void (*put)(void *to, const char *bytes, size_t length);
    void *to; /* lent */
    int depth;
    uint64_t filled; /* a bit for each level that holds something already */
    bool after_key;
} text_json;

void text_json_open(text_json *j, char bracket);  /* '{' or '[' */
void text_json_close(text_json *j, char bracket); /* '}' or ']'; the outermost ends the line */
void text_json_key(text_json *j, const char *key);
void text_json_text(text_json *j, const char *text); /* escaped; what is no UTF-8: U+FFFD */
void text_json_bytes(text_json *j, const char *text, size_t length); /* the same */
void text_json_int(text_json *j, int64_t value);
void text_json_bool(text_json *j, bool value);
void text_json_real(text_json *j, double value); /* shortest that reads back; null if not finite */
void text_json_float(text_json *j, float value); /* 9 digits; null if not finite */
void text_json_raw(text_json *j,
                   const char *json); /* a value that is JSON already, or begins one */

/* A finite one as text_json_real writes it. */
void text_print_real(char out[40], double value);

#endif
