/* Shared by the files of data/table.h. */
#ifndef RK_DATA_TABLE_INTERNAL_H
#define RK_DATA_TABLE_INTERNAL_H

#include "data/table.h"

/* Removes blanks around a name, and RecBole's ":type", whatever the type is. */
rk_text rk__table_trim_name(rk_text name, bool typed);

/* Appends to table->names. */
rk_status rk__table_add_name(rk_table *table, rk_text name);

/* A number or a date, as names of columns hardly are and data often is. */
bool rk__table_is_data(const char *name);

#endif
