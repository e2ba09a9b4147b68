#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/parse.h"
#include "data/table_kinds.h"
#include "data/zip.h"

enum { CHUNK = 4096 /* numbers read at once */, MOST_TEXT = 64 /* characters */ };

/* Numbers of an array, one after the other. */
typedef struct npy {
    rk_zip_member member;
    char type;       /* i, u, f or b */
    bool is_swapped; /* big-endian */
    int bytes;       /* of a number */
    int64_t n;       /* in all */
    int64_t taken;   /* so far */
    int64_t at, end;
    unsigned char raw[CHUNK * 8];
} npy;

typedef struct npz_rows {
    rk_zip zip;
    int64_t shape[2];
    bool is_coo, is_csc;
    int64_t outer;     /* the row (csc: column) in hand */
    int64_t outer_end; /* entries before the next one */
    int64_t entry, entries;
    npy first;  /* coo: rows; else offsets */
    npy second; /* coo: columns; else indices */
    npy data;
    bool reads_data;
    char texts[3][40]; /* row, column, value */
} npz_rows;

/* ---- arrays ---- */

static rk_status bad_array(const npy *a, const char *what)
{
    RK_FAIL(RK_ERR_DATA, "%s: the array %s %s", a->member.zip->path, a->member.entry->name, what);
}

/* What follows a key in the head of an array, a Python dict: "'shape': (3, 4), ". */
static const char *after_key(const char *head, const char *key)
{
    const char *at = strstr(head, key);
    at = at ? at + strlen(key) : NULL;
    return at ? at + strspn(at, "': ") : NULL;
}

/* (), (n,) or (n, m): the product in *out. */
static bool parse_shape(const char *at, int64_t *out, int *out_dimensions)
{
    *out = 1;
    *out_dimensions = 0;
    if (*at++ != '(') {
        return false;
    }
    for (;;) {
        at += strspn(at, ", L");
        size_t length = strspn(at, "0123456789");
        int64_t n = 0;
        if (length == 0) {
            return *at == ')';
        }
        if (rk__parse_int(at, length, &n) != RK_PARSE_OK || (n > 0 && *out > INT64_MAX / 16 / n)) {
            return false;
        }
        *out *= n;
        ++*out_dimensions;
        at += length;
    }
}

/* Opens an array of the archive; text: of characters and not of numbers. */
static rk_status open_array(npy *a, rk_zip *zip, const char *name, bool is_text)
{
    enum { MOST_HEAD = 4096 };
    char head[MOST_HEAD + 1];
    unsigned char start[12];
    int dimensions = 0;
    const rk_zip_entry *entry = rk__zip_find(zip, name);
    if (!entry) {
        RK_FAIL(RK_ERR_DATA,
                "%s has no array %s: it is no sparse matrix of scipy.sparse.save_npz in the form "
                "csr, csc or coo (m.tocsr() makes one)",
                zip->path, name);
    }
    RK_TRY(rk__zip_member_open(&a->member, zip, entry));
    RK_TRY(rk__zip_read(&a->member, start, 10));
    if (memcmp(start, "\x93NUMPY", 6) != 0 || start[6] < 1 || start[6] > 3) {
        return bad_array(a, "is no NumPy array");
    }
    int64_t length = start[8] | start[9] << 8;
    if (start[6] > 1) {
        RK_TRY(rk__zip_read(&a->member, start + 10, 2));
        length |= (int64_t)start[10] << 16 | (int64_t)start[11] << 24;
    }
    if (length > MOST_HEAD) {
        return bad_array(a, "has a head that is too long");
    }
    RK_TRY(rk__zip_read(&a->member, head, length));
    head[length] = '\0';
    const char *type = after_key(head, "descr"), *shape = after_key(head, "shape");
    if (!type || !shape || !parse_shape(shape, &a->n, &dimensions) || dimensions > 1) {
        return bad_array(a, "is not of one dimension");
    }
    int64_t bytes = 0;
    size_t digits = strspn(type[0] ? type + 2 : "", "0123456789");
    bool is_known = strchr("<>|=", type[0]) && type[0] &&
                    strchr(is_text ? "SU" : "iufb", type[1]) && type[1] &&
                    rk__parse_int(type + 2, digits, &bytes) == RK_PARSE_OK;
    a->type = is_known ? type[1] : '\0';
    a->is_swapped = type[0] == '>';
    a->bytes = (int)bytes;
    bool is_size = is_text
                       ? bytes > 0 && bytes <= MOST_TEXT
                       : bytes == 8 || bytes == 4 || (bytes <= 2 && bytes > 0 && a->type != 'f');
    if (!is_known || !is_size) {
        RK_FAIL(RK_ERR_DATA,
                "%s: the array %s has numbers of type '%.8s', which is not read: take "
                "int32, int64, float32 or float64",
                zip->path, name, type);
    }
    return RK_OK;
}

static rk_status fill(npy *a)
{
    int64_t left = a->n - a->taken, n = left < CHUNK ? left : CHUNK;
    if (n == 0) {
        return bad_array(a, "is too short");
    }
    RK_TRY(rk__zip_read(&a->member, a->raw, n * a->bytes));
    for (int64_t i = 0; a->is_swapped && i < n; i++) {
        unsigned char *number = a->raw + i * a->bytes;
        for (int k = 0; k < a->bytes / 2; k++) {
            unsigned char held = number[k];
            number[k] = number[a->bytes - 1 - k];
            number[a->bytes - 1 - k] = held;
        }
    }
    a->taken += n;
    a->at = 0;
    a->end = n;
    return RK_OK;
}

/* The next number as an integer (of 64 bits) and as a double; a fraction is only in the latter. */
static rk_status take(npy *a, int64_t *out, double *out_real)
{
    if (a->at == a->end) {
        RK_TRY(fill(a));
    }
    const unsigned char *number = a->raw + a->at++ * a->bytes;
    uint64_t bits = 0;
    memcpy(&bits, number, (size_t)a->bytes); /* little-endian, as the machine is */
    int unused = 64 - 8 * a->bytes;
    if (a->type == 'f') {
        float single = 0;
        memcpy(&single, number, sizeof single);
        *out_real = (double)single;
        if (a->bytes == 8) {
            memcpy(out_real, number, sizeof *out_real);
        }
        *out = 0;
        return RK_OK;
    }
    bool is_signed = a->type == 'i';
    *out = is_signed ? (int64_t)(bits << unused) >> unused : (int64_t)bits;
    *out_real = is_signed ? (double)*out : (double)bits;
    return RK_OK;
}

static rk_status take_index(npy *a, int64_t *out)
{
    double real;
    RK_TRY(take(a, out, &real));
    return a->type == 'f' ? bad_array(a, "has no integers") : RK_OK;
}

/* ---- the matrix ---- */

/* "csr", as bytes or as UTF-32. */
static rk_status read_form(npz_rows *rows, npy *scratch, char out[8])
{
    unsigned char bytes[4 * MOST_TEXT];
    int n = 0;
    RK_TRY(open_array(scratch, &rows->zip, "format.npy", true));
    int size = scratch->type == 'U' ? 4 * scratch->bytes : scratch->bytes;
    RK_TRY(rk__zip_read(&scratch->member, bytes, size));
    RK_TRY(rk__zip_finish(&scratch->member));
    for (int i = 0; i < size; i++) {
        if (bytes[i] && n < 7) {
            out[n++] = (char)bytes[i];
        }
    }
    out[n] = '\0';
    rk__zip_member_close(&scratch->member);
    return RK_OK;
}

static rk_status read_shape(npz_rows *rows, npy *scratch)
{
    RK_TRY(open_array(scratch, &rows->zip, "shape.npy", false));
    if (scratch->n != 2) {
        return bad_array(scratch, "is not of a matrix");
    }
    RK_TRY(take_index(scratch, &rows->shape[0]));
    RK_TRY(take_index(scratch, &rows->shape[1]));
    RK_TRY(rk__zip_finish(&scratch->member));
    rk__zip_member_close(&scratch->member);
    return RK_OK;
}

static rk_status open_arrays(npz_rows *rows, const char *form)
{
    rows->is_coo = strcmp(form, "coo") == 0;
    rows->is_csc = strcmp(form, "csc") == 0;
    if (!rows->is_coo && !rows->is_csc && strcmp(form, "csr") != 0) {
        RK_FAIL(RK_ERR_DATA,
                "%s is a sparse matrix of the form %s; csr, csc and coo are read "
                "(m.tocsr() makes one)",
                rows->zip.path, form);
    }
    RK_TRY(open_array(&rows->first, &rows->zip, rows->is_coo ? "row.npy" : "indptr.npy", false));
    RK_TRY(open_array(&rows->second, &rows->zip, rows->is_coo ? "col.npy" : "indices.npy", false));
    RK_TRY(open_array(&rows->data, &rows->zip, "data.npy", false));
    rows->entries = rows->second.n;
    int64_t n_outer = rows->shape[rows->is_csc];
    if (rows->data.n != rows->entries ||
        rows->first.n != (rows->is_coo ? rows->entries : n_outer + 1)) {
        RK_FAIL(RK_ERR_DATA, "%s: its arrays are not as long as those of one matrix are",
                rows->zip.path);
    }
    rows->outer = -1;
    if (!rows->is_coo) {
        RK_TRY(take_index(&rows->first, &rows->outer_end));
        if (rows->outer_end != 0) {
            return bad_array(&rows->first, "does not begin with 0");
        }
    }
    return RK_OK;
}

static rk_status open_rows(rk_table *table)
{
    static const char *const names[] = {"row", "column", "value", NULL};
    rk_status status = RK_OK;
    npz_rows *rows = NULL;
    npy *scratch = NULL;
    char form[8];
    RK_TRY(rk__calloc(&rows, 1, sizeof *rows, "a matrix"));
    table->own = rows;
    RK_TRY_GOTO(done, rk__calloc(&scratch, 1, sizeof *scratch, "an array"));
    RK_TRY_GOTO(done, rk__zip_open(&rows->zip, table->lines.path, table->lines.options.stop));
    RK_TRY_GOTO(done, read_form(rows, scratch, form));
    *scratch = (npy){0};
    RK_TRY_GOTO(done, read_shape(rows, scratch));
    RK_TRY_GOTO(done, open_arrays(rows, form));
    RK_TRY_GOTO(done, rk__table_set_names(table, names));
    table->lines.stream.file_bytes = rows->zip.bytes;
done:
    if (scratch) {
        rk__zip_member_close(&scratch->member);
    }
    rk__free(scratch);
    return status;
}

static void close_rows(rk_table *table)
{
    npz_rows *rows = table->own;
    if (rows) {
        rk__zip_member_close(&rows->first.member);
        rk__zip_member_close(&rows->second.member);
        rk__zip_member_close(&rows->data.member);
        rk__zip_close(&rows->zip);
        rk__free(rows);
    }
}

/* The row (csc: column) of the next entry of csr and csc. */
static rk_status take_outer(npz_rows *rows)
{
    int64_t n_outer = rows->shape[rows->is_csc];
    while (rows->entry == rows->outer_end) {
        int64_t end = 0;
        if (++rows->outer == n_outer) {
            return bad_array(&rows->first, "ends before the last entry");
        }
        RK_TRY(take_index(&rows->first, &end));
        if (end < rows->outer_end || end > rows->entries) {
            return bad_array(&rows->first, "does not ascend to the number of entries");
        }
        rows->outer_end = end;
    }
    return RK_OK;
}

/* Every byte was read: the checksums. Offsets behind the last entry must be its number. */
static rk_status finish(npz_rows *rows)
{
    npy *first = &rows->first;
    while (!rows->is_coo && (first->at < first->end || first->taken < first->n)) {
        int64_t end = 0;
        RK_TRY(take_index(first, &end));
        if (end != rows->entries) {
            return bad_array(&rows->first, "does not end with the number of entries");
        }
    }
    RK_TRY(rk__zip_finish(&rows->first.member));
    RK_TRY(rk__zip_finish(&rows->second.member));
    return rows->reads_data ? rk__zip_finish(&rows->data.member) : RK_OK;
}

static void set_field(rk_table *table, int column, int64_t length)
{
    npz_rows *rows = table->own;
    if (table->places[column] >= 0) {
        table->fields[table->places[column]] = (rk_text){rows->texts[column], length};
    }
}

static rk_status next_row(rk_table *table, bool *out_end)
{
    npz_rows *rows = table->own;
    int64_t row = 0, column = 0, integer = 0;
    double value = 0;
    *out_end = rows->entry == rows->entries;
    rows->reads_data = table->places[2] >= 0;
    table->lines.bytes = rows->zip.used;
    if (*out_end) {
        return finish(rows);
    }
    if (rows->is_coo) {
        RK_TRY(take_index(&rows->first, &row));
    } else {
        RK_TRY(take_outer(rows));
        row = rows->outer;
    }
    RK_TRY(take_index(&rows->second, &column));
    if (rows->is_csc) {
        int64_t held = row;
        row = column;
        column = held;
    }
    if (row < 0 || row >= rows->shape[0] || column < 0 || column >= rows->shape[1]) {
        RK_FAIL(RK_ERR_DATA, "%s: entry %lld is at (%lld, %lld), outside the matrix of %lld x %lld",
                table->lines.path, (long long)rows->entry, (long long)row, (long long)column,
                (long long)rows->shape[0], (long long)rows->shape[1]);
    }
    set_field(table, 0, rk__print_int(rows->texts[0], row));
    set_field(table, 1, rk__print_int(rows->texts[1], column));
    if (rows->reads_data) {
        RK_TRY(take(&rows->data, &integer, &value));
        if (!isfinite(value)) {
            RK_FAIL(RK_ERR_DATA, "%s: the value of entry %lld is not finite", table->lines.path,
                    (long long)rows->entry);
        }
        bool is_small = fabs(value) < 1e9 &&
                        value == (double)(int64_t)value; /* as most are; print_real is slow */
        if (is_small) {
            rk__print_int(rows->texts[2], (int64_t)value);
        } else {
            rk__print_real(rows->texts[2], value);
        }
        set_field(table, 2, (int64_t)strlen(rows->texts[2]));
    }
    table->lines.number = ++rows->entry;
    return RK_OK;
}

const rk_table_kind rk__table_npz = {
    .open = open_rows, .next = next_row, .close = close_rows, .is_binary = true};
