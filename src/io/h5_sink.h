/*
 * The HDF5 file driver that rk__h5_create writes through: a descriptor whose writes never fail.
 *
 * HDF5 (1.10 at least) cannot close a file that it could not flush: on a full disk H5Fclose fails,
 * leaves the handle half torn down, and the library's exit handler crashes on it. So the driver
 * notes the first error and drops later writes. HDF5 finishes its bookkeeping, and the caller asks
 * for the error, with the errno of the write that failed.
 *
 * Only src/io includes this header.
 */
#ifndef RK_IO_H5_SINK_H
#define RK_IO_H5_SINK_H

#include <hdf5.h>
#if H5_VERSION_GE(1, 13, 0)
#include <H5FDdevelop.h>
#endif
#include <stdbool.h>

typedef struct rk_h5_sink {
    H5FD_t common;  /* must come first: HDF5 knows the file by it */
    int descriptor; /* lent: read and write, empty */
    int error;      /* errno of the first failure, 0 = none */
    haddr_t end_of_allocation, end_of_file;
} rk_h5_sink;

/* Directs files opened with this access list to the sink, which must outlive them; the file name
 * given to HDF5 is then ignored. One file per sink, which is zeroed except for the descriptor.
 * False when HDF5 cannot register the driver. */
bool rk__h5_sink_use(hid_t access_list, rk_h5_sink *sink);

#endif
