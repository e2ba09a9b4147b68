#include "base/near.h"

#include <string.h>

int rk__edit_distance(const char *a, size_t n, const char *b, size_t m)
{
    if (n > RK_NEAR_LONGEST || m > RK_NEAR_LONGEST || (n > m ? n - m : m - n) > RK_NEAR_MOST) {
        return RK_NEAR_LONGEST;
    }
    int least_above = 0; /* a row depends on the two above it, and never is below both */
    int table[3][RK_NEAR_LONGEST + 1];
    int *before = table[0], *above = table[1], *row = table[2];
    for (size_t j = 0; j <= m; j++) {
        above[j] = (int)j;
    }
    for (size_t i = 1; i <= n; i++) {
        int least = row[0] = (int)i;
        for (size_t j = 1; j <= m; j++) {
            int best = above[j - 1] + (a[i - 1] != b[j - 1]);
            best = above[j] + 1 < best ? above[j] + 1 : best;
            best = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                before[j - 2] + 1 < best) {
                best = before[j - 2] + 1;
            }
            row[j] = best;
            least = best < least ? best : least;
        }
        if (least > RK_NEAR_MOST && least_above > RK_NEAR_MOST) {
            return RK_NEAR_LONGEST;
        }
        least_above = least;
        int *spare = before;
        before = above;
        above = row;
        row = spare;
    }
    return above[m] <= RK_NEAR_MOST ? above[m] : RK_NEAR_LONGEST;
}

bool rk__is_near(int distance, size_t length)
{
    return distance <= (length <= 3   ? 1
                        : length <= 6 ? 2
                                      : RK_NEAR_MOST) &&
           (size_t)distance < length;
}

static size_t plain_name(char out[RK_NEAR_LONGEST + 1], const char *name)
{
    size_t n = 0;
    for (; *name && n <= RK_NEAR_LONGEST; name++) {
        if (!strchr("_- ", *name)) {
            out[n++] = *name >= 'A' && *name <= 'Z' ? (char)(*name - 'A' + 'a') : *name;
        }
    }
    return n;
}

int rk__name_distance(const char *a, const char *b)
{
    char x[RK_NEAR_LONGEST + 1], y[RK_NEAR_LONGEST + 1];
    size_t n = plain_name(x, a), m = plain_name(y, b);
    return rk__edit_distance(x, n, y, m);
}
