/* Writing JSON into a text. Numbers with full precision; what is not finite becomes null. */
#ifndef RK_TRAIN_JSON_H
#define RK_TRAIN_JSON_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"

typedef struct rk_json {
    rk_buffer *out; /* lent */
    int indent;     /* spaces a level; 0 = everything on one line */
    int depth;
    bool needs_comma;
} rk_json;

/* key: the member's name; NULL for the outermost value and for array elements.
 * bracket: '{' or '['. */
void rk__json_begin(rk_json *json, const char *key, char bracket);
void rk__json_end(rk_json *json, char bracket); /* '}' or ']' */

void rk__json_real(rk_json *json, const char *key, double value);
void rk__json_int(rk_json *json, const char *key, int64_t value);
void rk__json_bool(rk_json *json, const char *key, bool value);
void rk__json_null(rk_json *json, const char *key);
/* UTF-8 text; bytes that are not UTF-8 become U+FFFD. */
void rk__json_text(rk_json *json, const char *key, const char *value);

#endif
