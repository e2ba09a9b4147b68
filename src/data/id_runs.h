/*
 * The ids of rows: an index for each as it is met, and in the end their ranks in ascending order.
 *
 * In memory that is one id_map. Where its table would outgrow its share of the memory, the run of
 * ids that it holds is sorted and put away, and an empty one goes on: the same id then has an index
 * in each run that met it, and all of them get the same rank when the runs are merged. Rows of one
 * time have indices of one run, so ranks are looked up in a small part of them at a time.
 */
#ifndef RK_DATA_ID_RUNS_H
#define RK_DATA_ID_RUNS_H

#include "data/id_map.h"
#include "data/work.h"

typedef struct rk_id_runs {
    bool is_text;
    rk_id_map map;    /* of the run in hand */
    rk_work *work;    /* lent; may be NULL */
    int64_t first;    /* index of the first id of the run in hand */
    int64_t n_runs;   /* put away */
    int64_t *run;     /* n_runs: index of the first id of each; owned */
    int32_t *order;   /* first: of each run, in the order of its ids, their places in it; owned */
    int64_t *numbers; /* integer ids: as order; all ids ascending once they are ranked; owned */
    int64_t *starts;  /* text ids: the same, offsets into bytes, and one more; owned */
    char *bytes;      /* each text with a final zero byte; owned */
    int64_t n;        /* once they are ranked: how many different ones there are */
} rk_id_runs;

/* Empty, owns nothing. what: "users", lent. */
void rk__id_runs_init(rk_id_runs *runs, bool is_text, const char *what, rk_work *work);
void rk__id_runs_free(rk_id_runs *runs); /* a zeroed one is fine */

/* The indices of n ids in turn. More than 2^31 - 1 of them are RK_ERR_DATA. */
rk_status rk__id_runs_numbers(rk_id_runs *runs, const int64_t *ids, int64_t n, int32_t *out);
rk_status rk__id_runs_text(rk_id_runs *runs, const char *text, int64_t length, int32_t *out);

/* Sorts all ids, as numbers or bytewise: there are no look-ups after it, and runs->n, numbers or
 * starts and bytes are those of the different ids in ascending order. *out_rank, by index, is to be
 * freed with rk__spill_free. */
rk_status rk__id_runs_rank(rk_id_runs *runs, int32_t **out_rank);

#endif
