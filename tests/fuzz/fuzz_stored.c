/*
 * The files that a run leaves, FUZZ_STORED: its data set or its checkpoint, whole in HDF5's eyes
 * but with datasets and attributes that are not what was written. HDF5 itself is not what is tried.
 */
#include <hdf5.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fuzz/fuzz.h"
#include "rankine/rankine.h"

enum { MOST = 200, MOST_BYTES = 1 << 20, LONGEST = 64 };

static char folder[64], run[96], stored[128];
static char *original;
static size_t original_bytes;
static struct member {
    char name[LONGEST];
    bool is_attribute;
} members[MOST];
static int n_members;

static void remove_folder(void)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    (void)!system(command);
}

static void write_rows(void)
{
    char path[96];
    snprintf(path, sizeof path, "%s/ratings.csv", folder);
    FILE *file = fopen(path, "w");
    fuzz_check(file != NULL, "the rows can be written");
    fputs("user_id,item_id,rating,time\n", file);
    for (int k = 0; k < 120; k++) {
        fprintf(file, "%d,%d,%d,%d\n", k % 11, (k * 7 + k / 11) % 13, k % 5, k);
    }
    fuzz_check(fclose(file) == 0, "the rows are written");
}

static void train(void)
{
    static const char *const settings[] = {
        "data.sources=[{file: ratings.csv, time: time, value: rating}]",
        "data.name=fuzz",
        "split.kind=ratio",
        "split.order=time",
        "model.kind=mf",
        "model.dim=4",
        "train.epochs=1",
        "eval.every=1",
        "eval.k=[5]",
        "eval.metric=ndcg@5",
        "run.threads=1",
        "run.device=cpu",
    };
    rk_config *config = NULL;
    char setting[128];
    fuzz_check(rk_config_create(&config) == RK_OK, "there is a config");
    snprintf(setting, sizeof setting, "data.root=%s", folder);
    fuzz_check(rk_config_set(config, setting, "fuzz") == RK_OK, "an option is set");
    snprintf(setting, sizeof setting, "data.cache=%s/cache", folder);
    fuzz_check(rk_config_set(config, setting, "fuzz") == RK_OK, "an option is set");
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++) {
        rk_status status = rk_config_set(config, settings[i], "fuzz");
        fuzz_check(status == RK_OK, rk_last_error());
    }
    rk_train_options how = rk_train_defaults();
    how.run_dir = run;
    rk_status status = rk_train(config, &how, NULL);
    fuzz_check(status == RK_OK, rk_last_error());
    rk_config_free(config);
}

static void add_member(const char *name, bool is_attribute)
{
    if (n_members < MOST && strlen(name) < LONGEST) {
        snprintf(members[n_members].name, LONGEST, "%s", name);
        members[n_members++].is_attribute = is_attribute;
    }
}

static herr_t visit(hid_t file, const char *name, const H5L_info_t *info, void *unused)
{
    (void)info, (void)unused;
    hid_t dataset = H5Dopen2(file, name, H5P_DEFAULT);
    if (dataset >= 0) {
        add_member(name, false);
        H5Dclose(dataset);
    }
    return 0;
}

static herr_t visit_attribute(hid_t file, const char *name, const H5A_info_t *info, void *unused)
{
    (void)file, (void)info, (void)unused;
    add_member(name, true);
    return 0;
}

static void read_original(void)
{
    FILE *file = fopen(stored, "rb");
    original = malloc(MOST_BYTES);
    fuzz_check(file != NULL && original != NULL, "the file is there");
    original_bytes = fread(original, 1, MOST_BYTES, file);
    fuzz_check(original_bytes > 0 && original_bytes < MOST_BYTES && fclose(file) == 0,
               "the file is small");
    hid_t h5 = H5Fopen(stored, H5F_ACC_RDONLY, H5P_DEFAULT);
    H5Lvisit(h5, H5_INDEX_NAME, H5_ITER_INC, visit, NULL);
    H5Aiterate2(h5, H5_INDEX_NAME, H5_ITER_INC, NULL, visit_attribute, NULL);
    H5Fclose(h5);
    fuzz_check(n_members > 5, "the file has members");
}

static void begin(void)
{
    snprintf(folder, sizeof folder, "%s/rankine-fuzz-%d",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp", (int)getpid());
    snprintf(run, sizeof run, "%s/run", folder);
    snprintf(stored, sizeof stored, "%s/%s", run, FUZZ_STORED);
    remove_folder();
    char command[128];
    snprintf(command, sizeof command, "mkdir %s", folder);
    fuzz_check(system(command) == 0, "there is a folder");
    (void)atexit(remove_folder);
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    write_rows();
    train();
    read_original();
}

/* ---- changes ---- */

/* The next byte of the input, 0 behind its end. */
typedef struct bytes {
    const uint8_t *at, *end;
} bytes;

static uint8_t take(bytes *b)
{
    return b->at < b->end ? *b->at++ : 0;
}

static void take_into(bytes *b, void *out, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        ((uint8_t *)out)[i] = take(b);
    }
}

/* Some bytes of a dataset become others. */
static void change_bytes(hid_t file, const char *name, bytes *b)
{
    static uint8_t values[MOST_BYTES];
    hid_t dataset = H5Dopen2(file, name, H5P_DEFAULT);
    hid_t type = H5Dget_type(dataset), space = H5Dget_space(dataset);
    size_t size = (size_t)H5Sget_simple_extent_npoints(space) * H5Tget_size(type);
    if (!H5Tis_variable_str(type) && size > 0 && size < sizeof values &&
        H5Dread(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) >= 0) {
        size_t at = ((size_t)take(b) << 8 | take(b)) % size, n = take(b) % 16;
        for (size_t i = at; i < at + n && i < size; i++) {
            values[i] = take(b);
        }
        H5Dwrite(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values);
    }
    H5Sclose(space);
    H5Tclose(type);
    H5Dclose(dataset);
}

/* A dataset becomes another one, of any type, rank and length. */
static void replace_dataset(hid_t file, const char *name, bytes *b)
{
    const hid_t types[] = {H5T_NATIVE_INT64, H5T_NATIVE_INT32, H5T_NATIVE_FLOAT, H5T_NATIVE_DOUBLE,
                           H5T_NATIVE_UINT8};
    static uint8_t values[256 * 4 * 8];
    hid_t type = types[take(b) % 5];
    hsize_t shape[2] = {take(b), 1 + take(b) % 4};
    int rank = 1 + take(b) % 2;
    uint8_t pattern[16];
    take_into(b, pattern, sizeof pattern);
    for (size_t i = 0; i < sizeof values; i++) {
        values[i] = pattern[i % sizeof pattern];
    }
    H5Ldelete(file, name, H5P_DEFAULT);
    hid_t space = H5Screate_simple(rank, shape, NULL);
    hid_t dataset = H5Dcreate2(file, name, type, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    H5Dwrite(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values);
    H5Dclose(dataset);
    H5Sclose(space);
}

/* An attribute becomes a number or a text. */
static void replace_attribute(hid_t file, const char *name, bytes *b)
{
    uint8_t mode = take(b) % 3, value[40] = {0};
    take_into(b, value, mode == 0 ? sizeof value - 1 : 8);
    H5Adelete(file, name);
    hid_t space = H5Screate(H5S_SCALAR);
    hid_t type =
        mode == 0 ? H5Tcopy(H5T_C_S1) : H5Tcopy(mode == 1 ? H5T_NATIVE_INT64 : H5T_NATIVE_DOUBLE);
    if (mode == 0) {
        H5Tset_size(type, sizeof value);
    }
    hid_t attribute = H5Acreate2(file, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
    H5Awrite(attribute, type, value);
    H5Aclose(attribute);
    H5Tclose(type);
    H5Sclose(space);
}

static void change(hid_t file, bytes *b)
{
    const struct member *m = &members[take(b) % n_members];
    uint8_t mode = take(b) % 4;
    if (m->is_attribute) {
        if (H5Aexists(file, m->name) > 0) {
            mode == 0 ? (void)H5Adelete(file, m->name) : replace_attribute(file, m->name, b);
        }
    } else if (H5Lexists(file, m->name, H5P_DEFAULT) > 0) {
        switch (mode) {
        case 0:
            H5Ldelete(file, m->name, H5P_DEFAULT);
            break;
        case 1:
            replace_dataset(file, m->name, b);
            break;
        default:
            change_bytes(file, m->name, b);
            break;
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!original) {
        begin();
    }
    FILE *file = fopen(stored, "wb");
    fuzz_check(file != NULL && fwrite(original, 1, original_bytes, file) == original_bytes &&
                   fclose(file) == 0,
               "the file is written again");
    hid_t h5 = H5Fopen(stored, H5F_ACC_RDWR, H5P_DEFAULT);
    fuzz_check(h5 >= 0, "the file is opened");
    bytes b = {data, data + size};
    for (int changes = 0; b.at < b.end && changes < 8; changes++) {
        change(h5, &b);
    }
    H5Fclose(h5);
    if (strcmp(FUZZ_STORED, "data.h5") == 0) {
        rk_dataset *dataset = NULL;
        rk_status status = rk_dataset_open(stored, &dataset);
        fuzz_check(size > 0 || status == RK_OK, "the original is fine");
        rk_dataset_free(dataset);
    } else {
        rk_model *model = NULL;
        rk_status status = rk_model_open(run, "cpu", NULL, NULL, &model);
        fuzz_check(size > 0 || status == RK_OK, "the original is fine");
        rk_model_free(model);
    }
    return 0;
}
