/* The one place in which the service allocates. */
#include "serve/memory.h"

#include <stdlib.h>
#include <string.h>

void *serve_alloc(int64_t n, size_t size)
{
    return n < 0 ? NULL : calloc(n == 0 ? 1 : (size_t)n, size);
}

void *serve_grow(void *memory, int64_t n, size_t size)
{
    return n < 1 || (size_t)n > SIZE_MAX / size ? NULL : realloc(memory, (size_t)n * size);
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
