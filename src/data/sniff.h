/* What a file is by its first bytes, for messages about files of another kind than was said. */
#ifndef RK_DATA_SNIFF_H
#define RK_DATA_SNIFF_H

#include <stdint.h>

#include "base/error.h"

enum { RK_SNIFF_BYTES = 1024 }; /* as many as are looked at, if there are */

/* RK_ERR_DATA if the bytes begin a file that is no text, with its format and what to do. */
rk_status rk__sniff_binary(const char *path, const char *bytes, int64_t length);

/* The same for texts that are no delimited text: JSON, MatrixMarket, a web page, ... */
rk_status rk__sniff_text(const char *path, const char *line, int64_t length);

#endif
