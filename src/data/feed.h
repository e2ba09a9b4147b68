/*
 * Records on their way from a reader to rk_raw, in batches. Once there are many, a second thread
 * adds the batches while the caller reads on: reading waits for the file and parses, adding waits
 * for the tables of ids. What is in rk_raw in the end is the same either way.
 *
 * Only the caller sees the reader, its errors and the hooks. Until the feed is closed, rk_raw
 * belongs to it.
 */
#ifndef RK_DATA_FEED_H
#define RK_DATA_FEED_H

#include "data/raw.h"

typedef struct rk_feed rk_feed;

/* part: RK_PART_* of the source. raw->threads says whether there may be a second thread. */
rk_status rk__feed_open(rk_feed **out, rk_raw *raw, int part);

/* The place for the next record; what is written there counts when it is pushed. */
rk_record *rk__feed_record(const rk_feed *feed);

/* Takes that record and copies the texts that rk_raw will look at. Fails where adding an earlier
 * one failed. */
rk_status rk__feed_push(rk_feed *feed);

/* About how many records there will be; saves copying while rk_raw grows. */
void rk__feed_expect(rk_feed *feed, int64_t records);

/* Adds what is left if `status` is RK_OK, ends the thread and frees the feed. Returns the failure
 * of adding a record, which came first, else `status`. NULL is fine. */
rk_status rk__feed_close(rk_feed *feed, rk_status status);

#endif
