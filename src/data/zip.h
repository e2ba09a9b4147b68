/*
 * The members of a zip archive, as NumPy writes them: stored or deflated, also beyond 4 GiB.
 * Several may be read at once, each from its beginning to its end; checksums are checked.
 */
#ifndef RK_DATA_ZIP_H
#define RK_DATA_ZIP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "data/stream.h"

typedef struct rk_zip_entry {
    char *name; /* owned */
    int method; /* 0 stored, 8 deflated */
    uint32_t crc;
    int64_t packed, size; /* bytes */
    int64_t header;       /* where its local header begins */
} rk_zip_entry;

typedef struct rk_zip {
    char *path; /* owned */
    rk_stop stop;
    int descriptor;
    int64_t bytes; /* of the file */
    int64_t used;  /* bytes of members read so far */
    int64_t n;
    rk_zip_entry *entries; /* owned */
} rk_zip;

/* RK_ERR_DATA for what is no zip archive or a damaged one. A failed open owes nothing. */
rk_status rk__zip_open(rk_zip *zip, const char *path, rk_stop stop);
void rk__zip_close(rk_zip *zip); /* a zeroed one is fine */

/* The entry of that name, NULL if there is none. */
const rk_zip_entry *rk__zip_find(const rk_zip *zip, const char *name);

/* A member that is being read. */
typedef struct rk_zip_member {
    rk_zip *zip;
    const rk_zip_entry *entry;
    char *input;     /* packed bytes; owned */
    int64_t at, end; /* those not used yet */
    int64_t next;    /* where in the file the following ones are */
    int64_t left;    /* packed bytes that are not in `input` yet */
    int64_t given;   /* bytes given so far */
    uint32_t crc;
    void *inflater; /* a z_stream; owned; NULL = stored */
} rk_zip_member;

rk_status rk__zip_member_open(rk_zip_member *member, rk_zip *zip, const rk_zip_entry *entry);
void rk__zip_member_close(rk_zip_member *member); /* a zeroed one is fine */

/* Exactly n bytes. RK_ERR_DATA if the member ends before, or if it is damaged. */
rk_status rk__zip_read(rk_zip_member *member, void *to, int64_t n);

/* After the last byte: RK_ERR_DATA if there are more, or if the checksum is another one. */
rk_status rk__zip_finish(const rk_zip_member *member);

#endif
