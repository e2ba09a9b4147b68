/* Sparse matrices: users are the rows, unless the source says otherwise. */
#include <string.h>

#include "data/reader_internal.h"
#include "data/table_kinds.h"

rk_status rk__reader_open_matrix(rk_reader *reader, const rk_source_options *source,
                                 const char *path, rk_line_options lines)
{
    /* The options' defaults are no columns of a matrix, so they mean "not named". */
    bool own_user = strcmp(source->user, "user_id") == 0;
    bool own_item = strcmp(source->item, "item_id") == 0;
    rk_table_source matrix = {
        .format = {.kind = source->format == RK_FORMAT_MTX ? &rk__table_mtx : &rk__table_npz},
        .user = own_user ? "row" : source->user,
        .item = own_item ? "column" : source->item,
        .time = source->time,
    };
    return rk__reader_open_table(reader, &matrix, source, path, lines);
}
