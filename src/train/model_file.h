/* What a file of a whole model says of itself; api/model_file.c writes it and reads the rest. */
#ifndef RK_TRAIN_MODEL_FILE_H
#define RK_TRAIN_MODEL_FILE_H

#include "io/h5.h"
#include "rankine/config.h"

#define RK_MODEL_FILE_KIND "model"
enum { RK_MODEL_FILE_LAYOUT = 1 };

/* The file and the config in it. Free with rk__h5_close and rk_config_free. */
rk_status rk__model_file_open(const char *path, rk_h5 **out_file, rk_config **out_config);

#endif
