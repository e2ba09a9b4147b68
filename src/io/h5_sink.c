#include "io/h5_sink.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* Passed to the driver in the access list. */
typedef struct sink_info {
    rk_h5_sink *sink;
} sink_info;

static H5FD_t *sink_open(const char *name, unsigned flags, hid_t access_list, haddr_t max_address)
{
    (void)name, (void)flags, (void)max_address;
    const sink_info *info = H5Pget_driver_info(access_list);
    return info ? &info->sink->common : NULL;
}

static herr_t sink_close(H5FD_t *common)
{
    (void)common;
    return 0;
}

static herr_t sink_query(const H5FD_t *common, unsigned long *flags)
{
    (void)common;
    *flags = H5FD_FEAT_AGGREGATE_METADATA | H5FD_FEAT_ACCUMULATE_METADATA | H5FD_FEAT_DATA_SIEVE |
             H5FD_FEAT_AGGREGATE_SMALLDATA;
    return 0;
}

static haddr_t sink_get_allocation(const H5FD_t *common, H5FD_mem_t type)
{
    (void)type;
    return ((const rk_h5_sink *)common)->end_of_allocation;
}

static herr_t sink_set_allocation(H5FD_t *common, H5FD_mem_t type, haddr_t address)
{
    (void)type;
    ((rk_h5_sink *)common)->end_of_allocation = address;
    return 0;
}

static haddr_t sink_get_end(const H5FD_t *common, H5FD_mem_t type)
{
    (void)type;
    return ((const rk_h5_sink *)common)->end_of_file;
}

/* Reads zeros beyond the end: HDF5 may ask for space that it allocated but never wrote. */
static herr_t sink_read(H5FD_t *common, H5FD_mem_t type, hid_t transfer_list, haddr_t address,
                        size_t size, void *buffer)
{
    (void)type, (void)transfer_list;
    rk_h5_sink *sink = (rk_h5_sink *)common;
    char *at = buffer;
    while (size > 0) {
        ssize_t n = pread(sink->descriptor, at, size, (off_t)address);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0 && sink->error == 0) {
            sink->error = errno;
        }
        if (n <= 0) {
            memset(at, 0, size);
            break;
        }
        at += n;
        address += (haddr_t)n;
        size -= (size_t)n;
    }
    return 0;
}

static herr_t sink_write(H5FD_t *common, H5FD_mem_t type, hid_t transfer_list, haddr_t address,
                         size_t size, const void *buffer)
{
    (void)type, (void)transfer_list;
    rk_h5_sink *sink = (rk_h5_sink *)common;
    const char *at = buffer;
    if (address + size > sink->end_of_file) {
        sink->end_of_file = address + size;
    }
    while (size > 0 && sink->error == 0) {
        ssize_t n = pwrite(sink->descriptor, at, size, (off_t)address);
        if (n < 0 && errno != EINTR) {
            sink->error = errno;
        } else if (n > 0) {
            at += n;
            address += (haddr_t)n;
            size -= (size_t)n;
        }
    }
    return 0;
}

static herr_t sink_truncate(H5FD_t *common, hid_t transfer_list, hbool_t closing)
{
    (void)transfer_list, (void)closing;
    rk_h5_sink *sink = (rk_h5_sink *)common;
    if (sink->end_of_file != sink->end_of_allocation && sink->error == 0 &&
        ftruncate(sink->descriptor, (off_t)sink->end_of_allocation) != 0) {
        sink->error = errno;
    }
    sink->end_of_file = sink->end_of_allocation;
    return 0;
}

static const H5FD_class_t sink_class = {
#if H5_VERSION_GE(1, 13, 0)
    .version = H5FD_CLASS_VERSION,
    .value = (H5FD_class_value_t)600, /* from the range left to drivers outside HDF5 */
#endif
    .name = "rankine_sink",
    .maxaddr = ((haddr_t)1 << 62) - 1,
    .fc_degree = H5F_CLOSE_WEAK,
    .fapl_size = sizeof(sink_info),
    .open = sink_open,
    .close = sink_close,
    .query = sink_query,
    .get_eoa = sink_get_allocation,
    .set_eoa = sink_set_allocation,
    .get_eof = sink_get_end,
    .read = sink_read,
    .write = sink_write,
    .truncate = sink_truncate,
    .fl_map = H5FD_FLMAP_DICHOTOMY,
};

bool rk__h5_sink_use(hid_t access_list, rk_h5_sink *sink)
{
    /* Registered for each file, not once in a global; files and lists that use the driver keep it
     * alive. */
    hid_t driver = H5FDregister(&sink_class);
    if (driver < 0) {
        return false;
    }
    sink_info info = {sink};
    bool set = H5Pset_driver(access_list, driver, &info) >= 0;
    return H5FDunregister(driver) >= 0 && set;
}
