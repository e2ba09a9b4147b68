/* What every test program needs: cmocka's includes, scratch folders, status assertions. */
#ifndef RK_TESTS_SUPPORT_H
#define RK_TESTS_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "rankine/config.h"

/* The call succeeds, or the test fails with its message. */
#define assert_ok(call_)                                                                           \
    do {                                                                                           \
        rk_status assert_status_ = (call_);                                                        \
        if (assert_status_ != RK_OK) {                                                             \
            fail_msg("%s: %s: %s", #call_, rk_status_text(assert_status_), rk_last_error());       \
        }                                                                                          \
    } while (0)

/* The call fails with this status and its message contains the text. */
#define assert_fails(status_, text_, call_)                                                        \
    do {                                                                                           \
        rk_status assert_status_ = (call_);                                                        \
        if (assert_status_ != (status_) || !strstr(rk_last_error(), (text_))) {                    \
            fail_msg("%s: expected %s with \"%s\", got %s: %s", #call_, rk_status_text(status_),   \
                     (text_), rk_status_text(assert_status_), rk_last_error());                    \
        }                                                                                          \
    } while (0)

/* |actual - expected| <= relative * max(|expected|, floor). */
void assert_close(double actual, double expected, double relative, double floor);

/* The defaults with "key=value; key=value" on top. Free with rk_config_free. */
rk_config *config_of(const char *settings);

/* A fresh empty folder for this test, removed by test_scratch_remove; owned by the caller. */
char *test_scratch(void);
void test_scratch_remove(char *directory);

/* directory/name, in a static ring of buffers. */
const char *test_path(const char *directory, const char *name);

/* Writes bytes to a file; length < 0 = strlen. */
void test_write(const char *path, const char *bytes, int64_t length);

/* The whole file as a string; free() it. NULL if it is not there. */
char *test_read(const char *path);

/* How many files and folders a folder holds, not counting what is inside those. */
int64_t test_count_files(const char *directory);

/* Path of a real data set below RANKINE_DATA ("gowalla"), or the test is skipped with the reason.
 */
const char *test_data_or_skip(const char *name);

#endif
