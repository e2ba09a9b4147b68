/* Memory of the service: zeroed, sizes checked for overflow. A failure is NULL, which whoever asked
 * turns into 503: a service does not end because one answer was too large. */
#ifndef RK_SERVE_MEMORY_H
#define RK_SERVE_MEMORY_H

#include <stddef.h>
#include <stdint.h>

/* n elements of `size` bytes, zeros. n 0 is one element. Free with serve_free. */
void *serve_alloc(int64_t n, size_t size);
/* Changes the size; what is new is not zeroed. NULL: the old one is still there. */
void *serve_grow(void *memory, int64_t n, size_t size);
/* NULL gives NULL. */
char *serve_copy(const char *text);
void serve_free(void *memory); /* NULL is fine */

/* For tests: the n-th allocation from now on fails, counted from 0, in whatever thread; -1 = none
 * does. */
void serve_alloc_fail_after(int64_t n);

/* For tests: this thread's n-th allocation from now on fails, and all after it; negative = off. */
void serve_alloc_fail_after(int64_t n);

#endif
