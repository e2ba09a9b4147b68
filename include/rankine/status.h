/*
 * Status codes and error messages.
 *
 * Functions that can fail return rk_status; RK_OK is zero. rk_last_error() is the message of the
 * calling thread's last failure: one sentence that says what is wrong, where (file, line, key) and
 * what to do about it. Nothing in the library prints or exits.
 *
 * Threads, for all headers: calls share nothing but the objects that they are given. An object that
 * a call takes as const may be in use by any number of threads at once; a call that takes it
 * otherwise, its free included, must have it alone. Calls that read or write HDF5 files (data sets,
 * checkpoints) may run at once only where libhdf5 was built for threads, as Debian's is; with
 * another, let one thread make them. The last error is each thread's own. What a header says
 * besides goes before this.
 */
#ifndef RANKINE_STATUS_H
#define RANKINE_STATUS_H

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define RK_API __attribute__((visibility("default")))
#define RK_PRINTF(text, first) __attribute__((__format__(__printf__, text, first)))
#else
#define RK_API
#define RK_PRINTF(text, first)
#endif

/* X(enumerator, process exit code, meaning) */
#define RK_STATUS_TABLE(X)                                                                         \
    X(RK_OK, 0, "ok")                                                                              \
    X(RK_ERR_CONFIG, 2, "usage or configuration")                                                  \
    X(RK_ERR_DATA, 3, "bad data")                                                                  \
    X(RK_ERR_IO, 3, "file could not be read or written")                                           \
    X(RK_ERR_MEMORY, 4, "out of memory")                                                           \
    X(RK_ERR_DIVERGED, 5, "training diverged")                                                     \
    X(RK_ERR_DEVICE, 6, "device not usable")                                                       \
    X(RK_ERR_INTERRUPTED, 130, "interrupted, checkpoint written")                                  \
    X(RK_ERR_INTERNAL, 1, "internal error, please report it")                                      \
    X(RK_ERR_RANKS, 7, "another rank died or cannot be reached")

typedef enum rk_status {
#define RK_STATUS_ENUM(name, code, text) name,
    RK_STATUS_TABLE(RK_STATUS_ENUM)
#undef RK_STATUS_ENUM
        RK_STATUS_COUNT
} rk_status;

/* The meaning of a status ("bad data"), never NULL. Constant. */
RK_API const char *rk_status_text(rk_status status);

/* The exit code a program should end with: 0, 1, 2, 3, 4, 5, 6, 7 or 130. */
RK_API int rk_status_exit_code(rk_status status);

/* The message of this thread's last failure, "" if there was none. Valid until the next failure. */
RK_API const char *rk_last_error(void);

/* Where this thread's last failure arose, "file.c:123 in function", for bug reports; "" if there
 * was none. Valid until the next failure. */
RK_API const char *rk_last_error_origin(void);

#ifdef __cplusplus
}
#endif
#endif
