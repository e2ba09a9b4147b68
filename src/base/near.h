/* Words that may have been meant: the edit distance behind "did you mean". */
#ifndef RK_BASE_NEAR_H
#define RK_BASE_NEAR_H

#include <stdbool.h>
#include <stddef.h>

enum {
    RK_NEAR_LONGEST = 40, /* longer words are not near anything */
    RK_NEAR_MOST = 3,     /* a larger distance is not near, whatever the words */
};

/* Optimal string alignment distance: insert, delete, replace, swap neighbours; RK_NEAR_LONGEST
 * where it is above RK_NEAR_MOST, and for longer words. Texts need no final zero byte. */
int rk__edit_distance(const char *a, size_t n, const char *b, size_t m);

/* Whether words of this length and distance may be taken for one another. */
bool rk__is_near(int distance, size_t length);

/* The distance of names as people write them: case, '_', '-' and blanks make no difference. */
int rk__name_distance(const char *a, const char *b);

#endif
