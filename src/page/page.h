/* A page in the making: its runs, what their models said, and the sections it is written in. */
#ifndef RK_PAGE_PAGE_H
#define RK_PAGE_PAGE_H

#include "page/look.h"
#include "page/run.h"
#include "rankine/page.h"

typedef struct rk_page {
    rk_page_run *runs; /* those of one argument together */
    int64_t n_runs;
    rk_page_look *looks; /* one an argument */
    int64_t n_args;
    json_t **seeds; /* [n_args]: the report of a folder of several seeds; NULL = none */
    const char **paths;
    const rk_page_options *how;
    bool is_one_data; /* all runs are of one data set, as far as it is known */
} rk_page;

/* The sections, each with its heading; one without anything to say adds nothing. */
void rk__page_add_head(rk_buffer *out, const rk_page *page);
void rk__page_add_results(rk_buffer *out, const rk_page *page);
rk_status rk__page_add_curves(rk_buffer *out, const rk_page *page);
void rk__page_add_audit(rk_buffer *out, const rk_page *page);
rk_status rk__page_add_answers(rk_buffer *out, const rk_page *page); /* what models were asked */
void rk__page_add_compared(rk_buffer *out, const rk_page *page);
void rk__page_add_settings(rk_buffer *out, const rk_page *page);
void rk__page_add_data(rk_buffer *out, const rk_page *page);
void rk__page_add_costs(rk_buffer *out, const rk_page *page);

/* "name", or of a single run "value". */
void rk__page_add_heads(rk_buffer *out, const rk_page *page, const char *first);

/* The page of a run whose report is not written yet, from the text of that and the other files of
 * its folder. Free *out with rk__free. */
rk_status rk__page_of_run(const char *folder, const char *report, char **out);

/* The page of a sweep folder. */
rk_status rk__page_of_sweep(const char *folder, char **out);
rk_status rk__page_is_sweep(const char *folder, bool *out);

#endif
