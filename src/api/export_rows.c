/*
 * Interactions of a part for other programs: RecBole's atomic files, with original ids, and sparse
 * matrices for SciPy, with dense indices.
 *
 * A .npz is a zip archive of arrays. Its members are stored as they are, so that their sizes are
 * known before, and without the extension for 4 GiB and more.
 */
#include <stdio.h>
#include <string.h>
#include <zlib.h>

#include "api/export_internal.h"
#include "base/parse.h"

/* ---- atomic files ---- */

void rk__export_inter_row(const rk_model *model, const rk_export_table *table, int64_t row,
                          rk_buffer *out)
{
    const rk_dataset *d = model->dataset;
    const rk_lists *lists = &d->parts[table->part];
    const rk_details *details = &d->details[table->part];
    if (row < 0) {
        rk__buffer_add(out, "user_id:token\titem_id:token%s%s\n",
                       details->value ? "\trating:float" : "",
                       details->time ? "\ttimestamp:float" : "");
        return;
    }
    char user[RK_ID_BYTES], item[RK_ID_BYTES], number[32];
    for (int64_t k = lists->offsets[row]; k < lists->offsets[row + 1]; k++) {
        rk__export_id(out, rk_dataset_user_id(d, row, user));
        rk__buffer_add(out, "\t");
        rk__export_id(out, rk_dataset_item_id(d, lists->items[k], item));
        if (details->value) {
            rk__print_float(number, details->value[k]);
            rk__buffer_add(out, "\t%s", number);
        }
        if (details->time) {
            rk__print_real(number, details->time[k]);
            rk__buffer_add(out, "\t%s", number);
        }
        rk__buffer_add(out, "\n");
    }
}

/* ---- sparse matrices ---- */

enum { HEAD = 128 /* bytes before an array */, MEMBERS = RK_EXPORT_NPZ_ROWS - 1 };

typedef struct member {
    const char *name, *descr;
    char shape[32];
    int64_t bytes; /* of the array */
} member;

static member member_of(const rk_dataset *d, rk_part part, int64_t number)
{
    const rk_lists *lists = &d->parts[part];
    int64_t n = lists->offsets[lists->n_rows], rows = lists->n_rows + 1;
    member m[MEMBERS] = {
        {"indices.npy", "<i4", "", n * (int64_t)sizeof(int32_t)},
        {"indptr.npy", "<i8", "", rows * (int64_t)sizeof(int64_t)},
        {"format.npy", "|S3", "()", 3},
        {"shape.npy", "<i8", "(2,)", 2 * (int64_t)sizeof(int64_t)},
        {"data.npy", "<f4", "", n * (int64_t)sizeof(float)},
    };
    snprintf(m[0].shape, sizeof m[0].shape, "(%lld,)", (long long)n);
    snprintf(m[1].shape, sizeof m[1].shape, "(%lld,)", (long long)rows);
    memcpy(m[4].shape, m[0].shape, sizeof m[0].shape);
    return m[number];
}

static void add_array(const rk_dataset *d, rk_part part, int64_t number, rk_buffer *out)
{
    const rk_lists *lists = &d->parts[part];
    const float *values = d->details[part].value, one = 1;
    const int64_t shape[2] = {d->n_users, d->n_items};
    member m = member_of(d, part, number);
    rk__export_npy_head(out, m.descr, m.shape);
    switch (number) {
    case 0:
        rk__buffer_add_bytes(out, (const char *)lists->items, m.bytes);
        break;
    case 1:
        rk__buffer_add_bytes(out, (const char *)lists->offsets, m.bytes);
        break;
    case 2:
        rk__buffer_add_bytes(out, "csr", m.bytes);
        break;
    case 3:
        rk__buffer_add_bytes(out, (const char *)shape, m.bytes);
        break;
    default:
        for (int64_t k = 0; !values && k < lists->offsets[lists->n_rows]; k++) {
            rk__buffer_add_bytes(out, (const char *)&one, sizeof one);
        }
        if (values) {
            rk__buffer_add_bytes(out, (const char *)values, m.bytes);
        }
        break;
    }
}

/* Little-endian, as the whole archive. */
static void add_u16(rk_buffer *out, uint32_t value)
{
    const char bytes[2] = {(char)(value & 0xff), (char)(value >> 8 & 0xff)};
    rk__buffer_add_bytes(out, bytes, sizeof bytes);
}

static void add_u32(rk_buffer *out, uint32_t value)
{
    add_u16(out, value & 0xffff);
    add_u16(out, value >> 16);
}

/* What both heads of a member say: version, flags, method 0, time, 1980-01-01, sum, sizes, name. */
static void add_facts(rk_buffer *out, const member *m, uint32_t sum)
{
    add_u16(out, 20);
    add_u16(out, 0);
    add_u16(out, 0);
    add_u16(out, 0);
    add_u16(out, 1 << 5 | 1);
    add_u32(out, sum);
    add_u32(out, (uint32_t)(m->bytes + HEAD));
    add_u32(out, (uint32_t)(m->bytes + HEAD));
    add_u16(out, (uint32_t)strlen(m->name));
    add_u16(out, 0);
}

static uint32_t sum_of(const char *bytes, int64_t n)
{
    return (uint32_t)crc32_z(0, (const unsigned char *)bytes, (size_t)n);
}

static void add_member(const rk_dataset *d, rk_part part, int64_t number, rk_buffer *out)
{
    rk_buffer array = {0};
    member m = member_of(d, part, number);
    add_array(d, part, number, &array);
    rk__buffer_add_bytes(out, "PK\3\4", 4);
    add_facts(out, &m, array.status == RK_OK ? sum_of(array.at, array.length) : 0);
    rk__buffer_add_bytes(out, m.name, (int64_t)strlen(m.name));
    rk__buffer_add_bytes(out, array.at, array.length);
    out->status = out->status == RK_OK ? array.status : out->status;
    rk__buffer_free(&array);
}

static void add_directory(const rk_dataset *d, rk_part part, rk_buffer *out)
{
    enum { LOCAL_HEAD = 30, ENTRY = 46 };
    int64_t at = 0, entries = 0;
    for (int64_t number = 0; number < MEMBERS; number++) {
        rk_buffer array = {0};
        member m = member_of(d, part, number);
        int64_t name = (int64_t)strlen(m.name);
        add_array(d, part, number, &array);
        rk__buffer_add_bytes(out, "PK\1\2", 4);
        add_u16(out, 20);
        add_facts(out, &m, array.status == RK_OK ? sum_of(array.at, array.length) : 0);
        add_u16(out, 0); /* no comment, disk 0, binary, no attributes */
        add_u16(out, 0);
        add_u16(out, 0);
        add_u32(out, 0);
        add_u32(out, (uint32_t)at);
        rk__buffer_add_bytes(out, m.name, name);
        out->status = out->status == RK_OK ? array.status : out->status;
        rk__buffer_free(&array);
        at += LOCAL_HEAD + name + HEAD + m.bytes;
        entries += ENTRY + name;
    }
    rk__buffer_add_bytes(out, "PK\5\6", 4);
    add_u32(out, 0); /* one disk */
    add_u16(out, MEMBERS);
    add_u16(out, MEMBERS);
    add_u32(out, (uint32_t)entries);
    add_u32(out, (uint32_t)at);
    add_u16(out, 0);
}

bool rk__export_npz_is_full(const rk_model *model, rk_part part)
{
    int64_t bytes = 0;
    for (int64_t number = 0; number < MEMBERS; number++) {
        bytes += member_of(model->dataset, part, number).bytes + 2 * HEAD;
    }
    return bytes > UINT32_MAX;
}

void rk__export_npz_row(const rk_model *model, const rk_export_table *table, int64_t row,
                        rk_buffer *out)
{
    if (row == MEMBERS) {
        add_directory(model->dataset, table->part, out);
    } else if (row >= 0) {
        add_member(model->dataset, table->part, row, out);
    }
}
