/* HDF5's reasons made readable: what every file of this room fails with. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "io/h5_internal.h"

typedef struct reason {
    char text[200];
    bool out_of_memory, system;
} reason;

void rk__h5_quiet(void)
{
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
}

/* The innermost entry of HDF5's error stack is the cause; the others say who passed it on. A failed
 * read of the system hides its errno text in a long description. */
static herr_t take_innermost(unsigned depth, const H5E_error2_t *entry, void *data)
{
    reason *out = data;
    if (depth > 0 || !entry->desc) {
        return 0;
    }
    static const char mark[] = "error message = '";
    const char *start = strstr(entry->desc, mark), *end = NULL;
    out->out_of_memory = entry->min_num == H5E_NOSPACE;
    if (start) {
        start += sizeof mark - 1;
        end = strchr(start, '\'');
    }
    out->system = end != NULL;
    snprintf(out->text, sizeof out->text, "%.*s", end ? (int)(end - start) : 150,
             end ? start : entry->desc);
    return 0;
}

static reason last_reason(void)
{
    reason out = {.text = "no reason given"};
    H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, take_innermost, &out);
    return out;
}

rk_status rk__h5_check_writes(const rk_h5 *file)
{
    return file->sink.error ? rk__aside_fail(&file->aside, file->sink.error) : RK_OK;
}

rk_status rk__h5_fail(const rk_h5 *file, const char *what, ...)
{
    char text[256];
    va_list arguments;
    va_start(arguments, what);
    vsnprintf(text, sizeof text, what, arguments);
    va_end(arguments);
    reason why = last_reason();
    if (file->writing) {
        RK_TRY(rk__h5_check_writes(file));
        RK_FAIL(why.out_of_memory ? RK_ERR_MEMORY : RK_ERR_IO, "%s: %s: %s", file->path, text,
                why.text);
    }
    if (why.out_of_memory) {
        RK_FAIL(RK_ERR_MEMORY, "%s: %s: %s", file->path, text, why.text);
    }
    RK_FAIL(why.system ? RK_ERR_IO : RK_ERR_DATA, "%s: %s: %s", file->path, text, why.text);
}
