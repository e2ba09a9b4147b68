/*
 * A growing text. A failure is kept in `status` and turns later calls into no-ops, so code that
 * writes a long text is straight-line and checks once, through rk__buffer_take or by itself.
 */
#ifndef RK_BASE_BUFFER_H
#define RK_BASE_BUFFER_H

#include <stdint.h>

#include "base/error.h"

typedef struct rk_buffer {
    char *at;       /* owned; always zero-terminated once something was added; NULL before */
    int64_t length; /* without the final zero byte */
    int64_t capacity;
    rk_status status;
} rk_buffer;

void rk__buffer_add(rk_buffer *buffer, const char *format, ...) RK_PRINTF(2, 3);
void rk__buffer_add_bytes(rk_buffer *buffer, const char *bytes, int64_t length);

/* Hands over the text ("" if nothing was added) and empties the buffer. If a failure was kept, it
 * is returned and the text is freed. Free *out with rk__free. */
rk_status rk__buffer_take(rk_buffer *buffer, char **out);

/* A zeroed buffer is fine. */
void rk__buffer_free(rk_buffer *buffer);

#endif
