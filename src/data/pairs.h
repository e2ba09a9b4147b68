/*
 * Interactions sorted by user and item: in this form duplicates are adjacent, filters are passes
 * over rows, and splits are functions of a user's row.
 *
 * Users and items are ranks in the ascending order of their original ids.
 */
#ifndef RK_DATA_PAIRS_H
#define RK_DATA_PAIRS_H

#include "data/raw.h"
#include "data/work.h"

typedef struct rk_pairs {
    int64_t n_users, n_items;
    int64_t *offsets;   /* n_users + 1; owned */
    int32_t *items;     /* offsets[n_users], ascending in each row; owned */
    rk_details details; /* as items */
    rk_work *work;      /* lent; that passes over the rows are a part of; NULL = unwatched */
} rk_pairs;

/* Sorts by user and item; equal rows stay in the order of the sources, which details.order keeps
 * where it is needed. user_rank, item_rank: the rank of each first-seen index. Takes the rows of
 * `raw` and sets its n to 0, so that peak memory is about twice the rows; rows in files are sorted
 * a range of users at a time. */
rk_status rk__pairs_build(rk_pairs *out, rk_raw *raw, const int32_t *user_rank,
                          const int32_t *item_rank);
/* A zeroed one is fine. */
void rk__pairs_free(rk_pairs *pairs);

static inline int64_t rk__pairs_count(const rk_pairs *pairs)
{
    return pairs->offsets[pairs->n_users];
}

enum { RK_USERS_AT_ONCE = 256 /* that a thread takes */ };

/* In a parallel loop over users from `first` on, to `end`: tells the work of the rows of the next
 * RK_USERS_AT_ONCE, once for all of them. */
void rk__pairs_tell(const rk_pairs *pairs, int64_t user, int64_t first, int64_t end);

/* The same rows again. After a failure `out` is to be freed, too. */
rk_status rk__pairs_copy(rk_pairs *out, const rk_pairs *pairs);

/* Keeps one row of each pair, with the first part in the order train, given, valid, test and the
 * earliest time, so that no pair known before is held out. Order and fields are those of the
 * earliest row of that part (of equal times the first that was read), the value is that of the
 * part's rows by `rule`, RK_REPEAT_*. duplicates: dropped rows whose pair is already in the same
 * part; overlap: (pair, part) dropped because the pair is in an earlier part. */
rk_status rk__pairs_unique(rk_pairs *pairs, int rule, int64_t *out_duplicates,
                           int64_t *out_overlap);

/* That value, of the rows [from, to) of one pair that are of the part. */
float rk__pairs_value(const rk_pairs *pairs, int64_t from, int64_t to, int part, int rule);

/* The place of a part in the order train, given, valid, test, in which a pair is kept. */
int rk__part_order(int part);

/* The same in each part for itself: a pair may then be in several. Time, order and fields are those
 * of the part's earliest row. */
rk_status rk__pairs_unique_in_parts(rk_pairs *pairs, int rule);

/* Removes the rows of a part; *out: how many there were. */
rk_status rk__pairs_drop_part(rk_pairs *pairs, int part, int64_t *out);

typedef struct rk_filter_counts {
    int64_t passes;       /* rounds that dropped something */
    int64_t users, items; /* dropped */
} rk_filter_counts;

/* Drops users and items with fewer interactions (all parts together) in rounds over both, until
 * nothing changes. A user marked in `listed` (bytes, n_users) may have none when min_user is 1.
 * user_kept, item_kept: bytes, set to 1 or 0. Ranks stay as they are. */
rk_status rk__pairs_filter(rk_pairs *pairs, int64_t min_user, int64_t min_item,
                           const uint8_t *listed, uint8_t *user_kept, uint8_t *item_kept,
                           rk_filter_counts *out);

/* Removes the rows of users and items that are not kept. */
rk_status rk__pairs_keep(rk_pairs *pairs, const uint8_t *user_kept, const uint8_t *item_kept);

/* Renumbers the kept users and items to 0, 1, 2 ... in the same order; no others may be left. */
rk_status rk__pairs_renumber(rk_pairs *pairs, const uint8_t *user_kept, const uint8_t *item_kept);

#endif
