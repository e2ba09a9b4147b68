#include "train/model_file.h"

#include "base/alloc.h"
#include "config/options.h"

static rk_status read_config(const rk_h5 *file, rk_config **out)
{
    char *text = NULL;
    int64_t length = 0;
    RK_TRY(rk__h5_load(file, "config", RK_H5_U8, &text, &length));
    rk_status status = rk__config_parse(out, rk__h5_path(file), text, length);
    rk__free(text);
    return status;
}

rk_status rk__model_file_open(const char *path, rk_h5 **out_file, rk_config **out_config)
{
    rk_h5 *file = NULL;
    RK_TRY(rk__h5_open(&file, path, RK_MODEL_FILE_KIND, RK_MODEL_FILE_LAYOUT));
    rk_status status = read_config(file, out_config);
    if (status != RK_OK) {
        rk__h5_close(file);
        return status;
    }
    *out_file = file;
    return RK_OK;
}
