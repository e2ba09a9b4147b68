#include "data/sniff.h"

#include <stdbool.h>
#include <string.h>

typedef struct kind {
    bool is_text;
    int64_t offset;
    const char *magic;
    int64_t length;
    const char *name, *advice;
} kind;

#define TO_CSV(read)                                                                               \
    "write it as CSV first, e.g. with pandas: " read ".to_csv('data.csv', index=False)"
#define MAGIC(offset, text) false, offset, text, sizeof text - 1
#define WORDS(text) true, 0, text, sizeof text - 1

static const kind binaries[] = {
    {MAGIC(0, "PAR1"), "a Parquet file", TO_CSV("pandas.read_parquet('data.parquet')")},
    {MAGIC(0, "ARROW1"), "an Arrow (Feather) file", TO_CSV("pandas.read_feather('data.feather')")},
    {MAGIC(0, "FEA1"), "a Feather file", TO_CSV("pandas.read_feather('data.feather')")},
    {MAGIC(0, "ORC"), "an ORC file", TO_CSV("pandas.read_orc('data.orc')")},
    {MAGIC(0, "Obj\x01"), "an Avro file", "write it as CSV or JSON lines first"},
    {MAGIC(0, "\x93NUMPY"), "a NumPy array (.npy)",
     "save it as CSV, numpy.savetxt('data.csv', a, fmt='%d', delimiter=','), or a sparse matrix by "
     "scipy.sparse.save_npz, which format npz reads"},
    {MAGIC(0, "\x89HDF\r\n\x1a\n"), "an HDF5 file", TO_CSV("pandas.read_hdf('data.h5')")},
    {MAGIC(0, "SQLite format 3"), "an SQLite database",
     "export the table, e.g. sqlite3 -csv -header data.db 'select * from ratings' > data.csv"},
    {MAGIC(0, "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"), "an Excel workbook (.xls)",
     "save the sheet as CSV (UTF-8)"},
    {WORDS("%PDF-"), "a PDF", "name a text file"},
    {MAGIC(0, "\x1f\x8b\x08"), "compressed twice", "unpack it once: gunzip -k FILE"},
    {MAGIC(0, "\x28\xb5\x2f\xfd"), "compressed twice", "unpack it once: unzstd FILE"},
    {MAGIC(0, "\x1f\x9d"), "compressed by compress (.Z)", "unpack it: uncompress FILE"},
    {MAGIC(0, "BZh"), "compressed by bzip2", "unpack it: bunzip2 -k FILE; gzip and zstd are read"},
    {MAGIC(0, "\xfd"
              "7zXZ\0"),
     "compressed by xz", "unpack it: unxz -k FILE; gzip and zstd are read"},
    {MAGIC(0, "\x04\x22\x4d\x18"), "compressed by lz4",
     "unpack it: unlz4 FILE; gzip and zstd are read"},
    {MAGIC(0, "7z\xbc\xaf\x27\x1c"), "a 7-Zip archive", "unpack it"},
    {MAGIC(0, "Rar!\x1a\x07"), "a RAR archive", "unpack it"},
    {MAGIC(0, "RDX2\n"), "an R workspace (.RData)", "write it by write.csv(x, row.names = FALSE)"},
    {MAGIC(0, "RDX3\n"), "an R workspace (.RData)", "write it by write.csv(x, row.names = FALSE)"},
    {MAGIC(0, "X\n\0\0\0"), "an R object (.rds)", "write it by write.csv(x, row.names = FALSE)"},
    {MAGIC(0, "\x80\x02"), "a Python pickle", TO_CSV("pandas.read_pickle('data.pkl')")},
    {MAGIC(0, "\x80\x03"), "a Python pickle", TO_CSV("pandas.read_pickle('data.pkl')")},
    {MAGIC(0, "\x80\x04\x95"), "a Python pickle", TO_CSV("pandas.read_pickle('data.pkl')")},
    {MAGIC(0, "\x80\x05\x95"), "a Python pickle", TO_CSV("pandas.read_pickle('data.pkl')")},
    {MAGIC(257, "ustar"), "a tar archive", "unpack it: tar xf FILE"},
    {WORDS("version https://git-lfs.github.com/"), "only a Git LFS pointer to the data",
     "fetch it: git lfs pull"},
};

/* Whether it is no text: words may begin like a format, "ORCID" or "PAR1". */
static bool has_controls(const char *bytes, int64_t length)
{
    for (int64_t i = 0; i < length && i < RK_SNIFF_BYTES; i++) {
        unsigned char c = (unsigned char)bytes[i];
        if (c < ' ' && !memchr("\t\n\v\f\r", c, 5)) {
            return true;
        }
    }
    return false;
}

static bool holds(const char *bytes, int64_t length, const char *text)
{
    return memmem(bytes, (size_t)length, text, strlen(text)) != NULL;
}

/* The many formats that are zip archives. */
static rk_status fail_zip(const char *path, const char *bytes, int64_t length)
{
    const char *name = "a zip archive, as Excel workbooks (.xlsx) are too";
    const char *advice = "unpack it, or save the sheet as CSV (UTF-8)";
    if (holds(bytes, length, ".npy")) {
        name = "a NumPy archive (.npz)";
        advice = "set format to npz, if it is a sparse matrix of scipy.sparse.save_npz";
    } else if (holds(bytes, length, "xl/") || holds(bytes, length, "[Content_Types].xml")) {
        name = "an Excel workbook (.xlsx)";
        advice = "save the sheet as CSV (UTF-8)";
    } else if (holds(bytes, length, "opendocument")) {
        name = "an OpenDocument sheet (.ods)";
        advice = "save the sheet as CSV (UTF-8)";
    }
    RK_FAIL(RK_ERR_DATA, "%s is %s: %s", path, name, advice);
}

rk_status rk__sniff_binary(const char *path, const char *bytes, int64_t length)
{
    for (size_t i = 0; i < sizeof binaries / sizeof binaries[0]; i++) {
        const kind *k = &binaries[i];
        if (length >= k->offset + k->length &&
            memcmp(bytes + k->offset, k->magic, (size_t)k->length) == 0 &&
            (k->is_text || has_controls(bytes, length))) {
            RK_FAIL(RK_ERR_DATA, "%s is %s: %s", path, k->name, k->advice);
        }
    }
    if (length >= 4 && memcmp(bytes, "PK", 2) == 0 &&
        (memcmp(bytes + 2, "\3\4", 2) == 0 || memcmp(bytes + 2, "\5\6", 2) == 0)) {
        return fail_zip(path, bytes, length);
    }
    if (length >= 2 && (memcmp(bytes, "\xff\xfe", 2) == 0 || memcmp(bytes, "\xfe\xff", 2) == 0)) {
        RK_FAIL(RK_ERR_DATA, "%s is UTF-16 text; save it as UTF-8", path);
    }
    return RK_OK;
}

static bool begins(const char *line, int64_t length, const char *text)
{
    return length >= (int64_t)strlen(text) && memcmp(line, text, strlen(text)) == 0;
}

static int64_t blanks(const char *line, int64_t length)
{
    int64_t at = 0;
    while (at < length && (line[at] == ' ' || line[at] == '\t')) {
        at++;
    }
    return at;
}

rk_status rk__sniff_text(const char *path, const char *line, int64_t length)
{
    int64_t at = blanks(line, length);
    char first = at < length ? line[at] : '\0';
    at += at < length;
    at += blanks(line + at, length - at);
    char second = at < length ? line[at] : '\0';
    if (first == '[' && strchr("{[\"", second)) { /* also at the end of the line */
        RK_FAIL(RK_ERR_DATA,
                "%s is a JSON array: write one object a line, e.g. jq -c '.[]' FILE > data.jsonl, "
                "and set format to jsonl",
                path);
    }
    if (first == '{' && strchr("\"'}", second)) {
        RK_FAIL(RK_ERR_DATA,
                "%s is JSON: set format to jsonl if every line is an object, and user, item and "
                "time to its keys",
                path);
    }
    if (begins(line, length, "%%MatrixMarket")) {
        RK_FAIL(RK_ERR_DATA, "%s is a MatrixMarket file: set format to mtx", path);
    }
    if (begins(line, length, "<!DOCTYPE") || begins(line, length, "<!doctype") ||
        begins(line, length, "<html") || begins(line, length, "<?xml")) {
        RK_FAIL(RK_ERR_DATA, "%s is a web page or XML: was the download what it should be?", path);
    }
    return RK_OK;
}
