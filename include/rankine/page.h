/*
 * A page for people about one run or several: what they came to, how they got there, what they were
 * made of, and what their models recommend. One HTML file that needs nothing but itself: no
 * scripts, nothing from elsewhere, light and dark, on a phone and on paper.
 *
 * Threads: run folders are only read, so any number of pages may be made at once (rankine/status.h
 * about HDF5 files).
 */
#ifndef RANKINE_PAGE_H
#define RANKINE_PAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "rankine/compare.h"
#include "rankine/dataset.h"
#include "rankine/hooks.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Begin with rk_page_defaults(), so that later members have a value. Everything is lent until the
 * call returns. */
typedef struct rk_page_options {
    /* Opens each run's model and asks it, for metrics by K, slices of users and items, coverage and
     * novelty, and samples; without it the page has what the runs wrote themselves. */
    bool asks_models;
    rk_part part;    /* that models are evaluated on: RK_TEST, where there is one, or RK_VALID */
    int64_t users;   /* at most so many of its users, at equal distances; 0 = all */
    int64_t samples; /* users of each model whose recommendations are shown, 0 to 50 */
    const char *device, *data_root;  /* as of rk_model_open; NULL = as each run's config says */
    const rk_comparison *comparison; /* of these runs: its paired tests are shown; NULL = none */
} rk_page_options;

/* Asks models, on test, 20,000 users, 6 samples. */
RK_API rk_page_options rk_page_defaults(void);

/* The page of n (1 to 100) runs as text. A path is a run folder, finished or not; a folder of
 * rk_train_seeds, whose runs have one colour; a file of rk_model_save. Runs on several data sets
 * are shown, with a warning that their numbers are not to be compared. What keeps a model from
 * being asked is logged and told on the page. RK_ERR_IO for a path that is none of these,
 * RK_ERR_DATA for a damaged file, RK_ERR_CONFIG for numbers out of range. Ids and titles are
 * escaped. hooks may be NULL. Free with rk_string_free. */
RK_API rk_status rk_page_text(const char *const *paths, int64_t n, const rk_page_options *options,
                              const rk_hooks *hooks, char **out_html);

#ifdef __cplusplus
}
#endif
#endif
