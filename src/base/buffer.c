#include "base/buffer.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"

/* Room for `more` bytes and the final zero byte. */
static rk_status reserve(rk_buffer *buffer, int64_t more)
{
    int64_t wanted = 0;
    if (__builtin_add_overflow(buffer->length, more, &wanted) || wanted > INT64_MAX / 4) {
        RK_FAIL(RK_ERR_MEMORY, "the size of a text overflows");
    }
    if (wanted + 1 > buffer->capacity) {
        int64_t capacity = wanted + 1 > 2 * buffer->capacity ? wanted + 1 : 2 * buffer->capacity;
        capacity = capacity < 256 ? 256 : capacity;
        RK_TRY(rk__realloc(&buffer->at, buffer->capacity, capacity, 1, "a text"));
        buffer->capacity = capacity;
    }
    return RK_OK;
}

void rk__buffer_add_bytes(rk_buffer *buffer, const char *bytes, int64_t length)
{
    if (buffer->status != RK_OK || (buffer->status = reserve(buffer, length)) != RK_OK) {
        return;
    }
    memcpy(buffer->at + buffer->length, bytes, (size_t)length);
    buffer->length += length;
    buffer->at[buffer->length] = '\0';
}

void rk__buffer_add(rk_buffer *buffer, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    RK_ASSERT(length >= 0);
    if (buffer->status != RK_OK || (buffer->status = reserve(buffer, length)) != RK_OK) {
        return;
    }
    va_start(arguments, format);
    vsnprintf(buffer->at + buffer->length, (size_t)length + 1, format, arguments);
    va_end(arguments);
    buffer->length += length;
}

rk_status rk__buffer_take(rk_buffer *buffer, char **out)
{
    rk_status status = buffer->status;
    if (status == RK_OK) {
        status = reserve(buffer, 0);
    }
    if (status == RK_OK) {
        buffer->at[buffer->length] = '\0';
        *out = buffer->at;
        buffer->at = NULL;
    }
    rk__buffer_free(buffer);
    return status;
}

void rk__buffer_free(rk_buffer *buffer)
{
    rk__free(buffer->at);
    *buffer = (rk_buffer){0};
}
