/* The one place in which the service allocates. */
#include "serve/memory.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static _Thread_local int64_t left = -1; /* before allocations fail */

static bool fails(void)
{
    left -= left > 0;
    return left == 0;
}

void serve_alloc_fail_after(int64_t n)
{
    left = n < 0 ? -1 : n + 1;
}

void *serve_alloc(int64_t n, size_t size)
{
    return n < 0 || fails() ? NULL : calloc(n == 0 ? 1 : (size_t)n, size);
}

void *serve_grow(void *memory, int64_t n, size_t size)
{
    return n < 1 || (size_t)n > SIZE_MAX / size || fails() ? NULL
                                                           : realloc(memory, (size_t)n * size);
}

char *serve_copy(const char *text)
{
    const size_t bytes = text ? strlen(text) + 1 : 0;
    char *copy = text ? serve_alloc((int64_t)bytes, 1) : NULL;
    return copy ? memcpy(copy, text, bytes) : NULL;
}

void serve_free(void *memory)
{
    free(memory);
}
