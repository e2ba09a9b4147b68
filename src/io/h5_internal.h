/* Shared by the files of src/io and included by nobody else. */
#ifndef RK_IO_H5_INTERNAL_H
#define RK_IO_H5_INTERNAL_H

#include <hdf5.h>

#include "io/aside.h"
#include "io/h5.h"
#include "io/h5_sink.h"

struct rk_h5 {
    char *path; /* owned */
    hid_t id;   /* negative = closed */
    int deflate;
    bool writing;
    rk_aside aside;  /* when writing */
    rk_h5_sink sink; /* when writing: its descriptor is the aside's */
    rk_h5_watch watch;
    void *watch_self;
};

/* Stops HDF5 from printing every failure to standard error; needed once in each thread. */
void rk__h5_quiet(void);

/* Fails with the error of the last HDF5 call; `what` says what was tried ("array 'x' cannot be
 * read"). A failed system write takes precedence over HDF5's own reason. */
rk_status rk__h5_fail(const rk_h5 *file, const char *what, ...) RK_PRINTF(2, 3);

/* RK_OK, or the first failed write so far. */
rk_status rk__h5_check_writes(const rk_h5 *file);

#endif
