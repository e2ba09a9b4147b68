#include "data/feed.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"

/* A batch fits in the second-level cache. */
enum { RECORDS = 4096, FIRST_BYTES = 64 << 10, BATCHES = 4 };

typedef struct batch {
    rk_record records[RECORDS];
    int64_t n;
    int64_t expected; /* rows of rk_raw in the end, a guess; 0 = none */
    rk_text *fields;  /* of the records, RECORDS times as many as rk_raw has; owned */
    char *bytes;      /* of the records' texts; owned */
    int64_t n_bytes, capacity;
} batch;

struct rk_feed {
    rk_raw *raw;
    int part;
    int64_t rows_before; /* of raw, when the feed was opened */
    int64_t expected;
    batch *batches; /* BATCHES, used in turn */
    int64_t filled; /* batches that the caller is done with; its own is filled % BATCHES */

    /* The second thread, if there is one. */
    bool has_thread, no_thread; /* started; not to be started */
    pthread_t thread;
    pthread_mutex_t lock; /* of what follows */
    pthread_cond_t changed;
    int64_t alloc_left;    /* of the caller, rk__alloc_left */
    rk_budget *budget;     /* of the caller, rk__alloc_budget */
    int64_t handed, added; /* batches given to the thread, batches it is done with */
    bool closing;
    rk_status failure;
    char message[2048];
};

rk_status rk__feed_open(rk_feed **out, rk_raw *raw, int part)
{
    rk_feed *feed = NULL;
    RK_TRY(rk__calloc(&feed, 1, sizeof *feed, "a feed"));
    rk_status status = rk__calloc(&feed->batches, BATCHES, sizeof *feed->batches, "records");
    if (status != RK_OK) {
        rk__free(feed);
        return status;
    }
    feed->raw = raw;
    feed->part = part;
    feed->rows_before = raw->n;
    feed->no_thread = raw->threads < 2;
    (void)pthread_mutex_init(&feed->lock, NULL); /* with default attributes they cannot fail */
    (void)pthread_cond_init(&feed->changed, NULL);
    *out = feed;
    return RK_OK;
}

static batch *current(const rk_feed *feed)
{
    return &feed->batches[feed->filled % BATCHES];
}

rk_record *rk__feed_record(const rk_feed *feed)
{
    batch *b = current(feed);
    return &b->records[b->n];
}

void rk__feed_expect(rk_feed *feed, int64_t records)
{
    feed->expected = feed->rows_before + records;
}

/* ---- adding ---- */

static rk_status add(rk_feed *feed, const batch *b)
{
    feed->raw->expected = b->expected;
    return rk__raw_add(feed->raw, b->records, b->n, feed->part);
}

static void *add_batches(void *self)
{
    rk_feed *feed = self;
    rk__alloc_fail_after(feed->alloc_left);
    rk__alloc_bind(feed->budget);
    pthread_mutex_lock(&feed->lock);
    for (;;) {
        while (feed->added == feed->handed && !feed->closing) {
            pthread_cond_wait(&feed->changed, &feed->lock);
        }
        if (feed->added == feed->handed) {
            break;
        }
        if (feed->failure == RK_OK) {
            pthread_mutex_unlock(&feed->lock);
            rk_status status = add(feed, &feed->batches[feed->added % BATCHES]);
            pthread_mutex_lock(&feed->lock);
            if (status != RK_OK) {
                snprintf(feed->message, sizeof feed->message, "%s", rk_last_error());
            }
            feed->failure = status;
        }
        feed->added++;
        pthread_cond_signal(&feed->changed);
    }
    pthread_mutex_unlock(&feed->lock);
    return NULL;
}

/* Without a second thread everything works, too. It leaves signals to the threads of the
 * program. */
static void start_thread(rk_feed *feed)
{
    sigset_t all, before;
    sigfillset(&all);
    feed->no_thread = true;
    feed->alloc_left = rk__alloc_left();
    feed->budget = rk__alloc_budget();
    feed->handed = feed->added = feed->filled;
    if (pthread_sigmask(SIG_SETMASK, &all, &before) == 0) {
        feed->has_thread = pthread_create(&feed->thread, NULL, add_batches, feed) == 0;
        (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    }
}

static rk_status failure_of(const rk_feed *feed)
{
    if (feed->failure != RK_OK) {
        RK_FAIL(feed->failure, "%s", feed->message);
    }
    return RK_OK;
}

/* The caller's batch goes to rk_raw, the next one becomes the caller's. */
static rk_status hand_over(rk_feed *feed)
{
    rk_status status = RK_OK;
    current(feed)->expected = feed->expected;
    if (feed->filled > 0 && !feed->no_thread) {
        start_thread(feed);
    }
    if (feed->has_thread) {
        pthread_mutex_lock(&feed->lock);
        feed->handed++;
        pthread_cond_signal(&feed->changed);
        while (feed->handed - feed->added == BATCHES) {
            pthread_cond_wait(&feed->changed, &feed->lock);
        }
        status = failure_of(feed);
        pthread_mutex_unlock(&feed->lock);
    } else {
        status = add(feed, current(feed));
    }
    feed->filled++;
    current(feed)->n = current(feed)->n_bytes = 0;
    return status;
}

/* ---- texts ---- */

/* Of the texts that rk_raw reads, and of the array of its fields. */
static int64_t bytes_of(const rk_feed *feed, const rk_record *record)
{
    int64_t bytes = 0;
    if (feed->raw->users.is_text) {
        bytes += record->user.length + (record->has_item ? record->item.length : 0);
    }
    for (int f = 0; record->fields && f < feed->raw->n_fields; f++) {
        bytes += (int64_t)sizeof *record->fields + record->fields[f].length;
    }
    return bytes;
}

/* Room for the texts of the batch's next record. Texts that are there already are pointed at: then
 * the batch is handed over, and the record moves to the next. */
static rk_status make_room(rk_feed *feed, int64_t wanted)
{
    batch *b = current(feed);
    if (b->n > 0) {
        rk_record record = b->records[b->n];
        RK_TRY(hand_over(feed));
        b = current(feed);
        b->records[0] = record;
    }
    if (b->capacity < wanted) {
        int64_t capacity = wanted < FIRST_BYTES ? FIRST_BYTES : wanted;
        RK_TRY(rk__realloc(&b->bytes, 0, capacity, 1, "the texts of records"));
        b->capacity = capacity;
    }
    return RK_OK;
}

static void keep(batch *b, rk_text *text)
{
    if (text->length == 0) {
        return; /* perhaps no text at all */
    }
    memcpy(b->bytes + b->n_bytes, text->at, (size_t)text->length);
    text->at = b->bytes + b->n_bytes;
    b->n_bytes += text->length;
}

static rk_status keep_texts(rk_feed *feed)
{
    enum { ALIGNMENT = sizeof(void *) };
    batch *b = current(feed);
    int64_t wanted = bytes_of(feed, &b->records[b->n]) + ALIGNMENT;
    if (b->capacity - b->n_bytes < wanted) {
        RK_TRY(make_room(feed, wanted));
        b = current(feed);
    }
    rk_record *record = &b->records[b->n];
    if (record->fields) {
        b->n_bytes = (b->n_bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
        rk_text *fields = (rk_text *)(void *)(b->bytes + b->n_bytes);
        b->n_bytes += feed->raw->n_fields * (int64_t)sizeof *fields;
        for (int f = 0; f < feed->raw->n_fields; f++) {
            fields[f] = record->fields[f];
            keep(b, &fields[f]);
        }
        record->fields = fields;
    }
    if (feed->raw->users.is_text) {
        keep(b, &record->user);
        if (record->has_item) {
            keep(b, &record->item);
        }
    }
    return RK_OK;
}

rk_status rk__feed_push(rk_feed *feed)
{
    if (feed->raw->users.is_text || feed->raw->n_fields > 0) {
        RK_TRY(keep_texts(feed));
    }
    return ++current(feed)->n == RECORDS ? hand_over(feed) : RK_OK;
}

rk_status rk__feed_close(rk_feed *feed, rk_status status)
{
    if (!feed) {
        return status;
    }
    if (feed->has_thread) {
        pthread_mutex_lock(&feed->lock);
        feed->closing = true;
        pthread_cond_signal(&feed->changed);
        pthread_mutex_unlock(&feed->lock);
        (void)pthread_join(feed->thread, NULL);
        status = feed->failure != RK_OK ? failure_of(feed) : status;
    }
    if (status == RK_OK) {
        status = add(feed, current(feed));
    }
    (void)pthread_mutex_destroy(&feed->lock);
    (void)pthread_cond_destroy(&feed->changed);
    for (int i = 0; i < BATCHES; i++) {
        rk__free(feed->batches[i].bytes);
        rk__free(feed->batches[i].fields);
    }
    rk__free(feed->batches);
    rk__free(feed);
    return status;
}
