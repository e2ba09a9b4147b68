/* Tables of facts: a row for each of them that any run has, a column for each run; of a single run
 * they stand in two tables side by side. */
#ifndef RK_PAGE_FACTS_H
#define RK_PAGE_FACTS_H

#include "page/page.h"

typedef enum rk_fact_as {
    RK_FACT_COUNT,
    RK_FACT_REAL,
    RK_FACT_SECONDS,
    RK_FACT_MEGABYTES, /* of bytes */
    RK_FACT_PERCENT,   /* of a share */
    RK_FACT_TEXT,
} rk_fact_as;

typedef struct rk_fact {
    const char *name, *path; /* in the report, or of "environment:threads" in the environment */
    rk_fact_as as;
} rk_fact;

/* runs: n of them, lent. */
void rk__facts_add(rk_buffer *out, const rk_page_run *const *runs, int64_t n, const rk_fact *facts,
                   int64_t n_facts);

#endif
