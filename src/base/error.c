/* The thread-local last error. Fixed buffers: reporting a failure must not itself fail. */
#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static _Thread_local char last_message[2048];
static _Thread_local char last_origin[256];

static const struct {
    int exit_code;
    const char *text;
} status_table[] = {
#define RK_STATUS_ROW(name, code, text) {code, text},
    RK_STATUS_TABLE(RK_STATUS_ROW)
#undef RK_STATUS_ROW
};

const char *rk_status_text(rk_status status)
{
    return (unsigned)status < RK_STATUS_COUNT ? status_table[status].text : "unknown status";
}

int rk_status_exit_code(rk_status status)
{
    return (unsigned)status < RK_STATUS_COUNT ? status_table[status].exit_code : 1;
}

const char *rk_last_error(void)
{
    return last_message;
}

const char *rk_last_error_origin(void)
{
    return last_origin;
}

rk_status rk__fail(rk_status status, const char *file, int line, const char *function,
                   const char *format, ...)
{
    /* Formatted into a copy first: an argument may be the last message itself. */
    char text[sizeof last_message];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    memcpy(last_message, text, sizeof text);
    const char *slash = strrchr(file, '/');
    snprintf(last_origin, sizeof last_origin, "%s:%d in %s", slash ? slash + 1 : file, line,
             function);
    return status;
}

rk_status rk__fail_prefix(rk_status status, const char *format, ...)
{
    char text[sizeof last_message];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (length >= 0 && (size_t)length + 3 < sizeof text) {
        char *end = text + length;
        size_t left = sizeof text - (size_t)length - 3, kept = strnlen(last_message, left);
        memcpy(end, ": ", 2);
        memcpy(end + 2, last_message, kept);
        end[2 + kept] = '\0';
        memcpy(last_message, text, sizeof text);
    }
    return status;
}

void rk__assert_failed(const char *file, int line, const char *condition)
{
    fprintf(stderr, "rankine: internal error at %s:%d: %s does not hold\n", file, line, condition);
    abort();
}
