/*
 * What a run will allocate on its device: a table that is logged before anything is allocated,
 * and an error that names the option to lower when it is more than there is.
 */
#ifndef RK_ENGINE_MEMORY_H
#define RK_ENGINE_MEMORY_H

#include "device/device.h"
#include "rankine/hooks.h"

typedef struct rk_memory_row {
    char what[64];
    const char *type; /* element type; static text */
    int64_t bytes;
    const char *option; /* what makes it smaller, static text; NULL = nothing does */
} rk_memory_row;

/* Zeroed = empty; free with rk__memory_free. */
typedef struct rk_memory_table {
    rk_memory_row *rows; /* owned */
    int64_t n, capacity;
    int64_t total;
} rk_memory_table;

/* Adds the tensors that binding the store allocates (on a host device constants are lent). */
rk_status rk__memory_add_store(rk_memory_table *table, const rk_device *device,
                               const rk_store *store);
/* Adds what loading a planned program allocates: its temporaries (`option` makes them smaller) and
 * what the device needs beside them. */
rk_status rk__memory_add_program(rk_memory_table *table, const rk_device *device,
                                 rk_device_context *context, const rk_program *program,
                                 const char *option);

/* Adds bytes that no store and no program says anything of. what, option: static text; option NULL
 * = nothing makes them fewer. */
rk_status rk__memory_add(rk_memory_table *table, const char *what, int64_t bytes,
                         const char *option);

void rk__memory_free(rk_memory_table *table);

/* Logs the table, a line a row. Rows are for information on a device with memory of its own; on
 * the host they are details. hooks may be NULL. */
void rk__memory_log(const rk_memory_table *table, const rk_device *device, int64_t free_bytes,
                    const rk_hooks *hooks);

/* RK_ERR_MEMORY if the table's total is more than free_bytes; 0 = not known, no limit. */
rk_status rk__memory_check(const rk_memory_table *table, const rk_device *device,
                           int64_t free_bytes);

#endif
