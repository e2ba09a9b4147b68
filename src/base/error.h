/*
 * Setting the thread's last error and passing failures upwards.
 *
 * RK_FAIL(status, "text", ...)      set the message, return the status
 * RK_TRY(call)                      return what the call returned unless it is RK_OK
 * RK_FAIL_GOTO(label, st, ...)      the same two for functions with a cleanup label; they assign
 * RK_TRY_GOTO(label, call)          to a local variable that must be called `status`
 * RK_ASSERT(condition)              for programming errors; stays on in release builds
 */
#ifndef RK_BASE_ERROR_H
#define RK_BASE_ERROR_H

#include "rankine/status.h"

rk_status rk__fail(rk_status status, const char *file, int line, const char *function,
                   const char *format, ...) RK_PRINTF(5, 6);

/* Puts "prefix: " in front of the thread's last message; returns status unchanged. */
rk_status rk__fail_prefix(rk_status status, const char *format, ...) RK_PRINTF(2, 3);

_Noreturn void rk__assert_failed(const char *file, int line, const char *condition);

#define RK_FAIL(status_, ...) return rk__fail((status_), __FILE__, __LINE__, __func__, __VA_ARGS__)

#define RK_TRY(call_)                                                                              \
    do {                                                                                           \
        rk_status try_status_ = (call_);                                                           \
        if (try_status_ != RK_OK) {                                                                \
            return try_status_;                                                                    \
        }                                                                                          \
    } while (0)

#define RK_FAIL_GOTO(label_, status_, ...)                                                         \
    do {                                                                                           \
        status = rk__fail((status_), __FILE__, __LINE__, __func__, __VA_ARGS__);                   \
        goto label_;                                                                               \
    } while (0)

#define RK_TRY_GOTO(label_, call_)                                                                 \
    do {                                                                                           \
        status = (call_);                                                                          \
        if (status != RK_OK) {                                                                     \
            goto label_;                                                                           \
        }                                                                                          \
    } while (0)

#define RK_ASSERT(condition_)                                                                      \
    ((condition_) ? (void)0 : rk__assert_failed(__FILE__, __LINE__, #condition_))

#endif
