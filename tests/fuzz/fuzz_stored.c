/*
 * The files that a run leaves, FUZZ_STORED: its data set or its checkpoint, whole in HDF5's eyes
 * but with datasets and attributes that are not what was written. HDF5 itself is not what is tried.
 *
 * The file stays open for writing all the time, so that HDF5 gives its readers the same one, with
 * the changes; what an input changes is put back behind it. The checkpoint is read as a resumed run
 * reads it, into an engine that is set up once.
 */
#include <hdf5.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fuzz/fuzz.h"
#include "rankine/rankine.h"
#include "train/checkpoint.h"
#include "train/set_up.h"
#include "train/trajectory.h"

enum { MOST = 200, MOST_BYTES = 1 << 20, LONGEST = 64, INPUTS_A_FILE = 4096 };

static char folder[64], run[96], stored[128];
static char *original;
static size_t original_bytes;
static hid_t h5;
static struct member {
    char name[LONGEST];
    bool is_attribute;
    hid_t dataset, type, space; /* as they were; of an attribute no dataset */
    uint8_t *values;            /* NULL: of a length that varies */
    bool has_changed, is_gone;  /* its values; the dataset or attribute itself */
} members[MOST];
static int n_members;

/* What a checkpoint is read into, and compared with. */
static rk_config *config;
static rk_dataset *data;
static rk_engine engine;
static rk_step step;
static rk_scorer *scorer;
static char *trajectory, *data_text;

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
}

/* As rk__h5_open has it: HDF5 shares a file only between those who agree. */
static void open_file(void)
{
    FILE *file = fopen(stored, "wb");
    fuzz_check(file != NULL && fwrite(original, 1, original_bytes, file) == original_bytes &&
                   fclose(file) == 0,
               "the file is written");
    hid_t access = H5Pcreate(H5P_FILE_ACCESS);
    H5Pset_libver_bounds(access, H5F_LIBVER_V110, H5F_LIBVER_LATEST);
    H5Pset_fclose_degree(access, H5F_CLOSE_STRONG);
#if H5_VERSION_GE(1, 10, 7)
    H5Pset_file_locking(access, false, true);
#endif
    h5 = H5Fopen(stored, H5F_ACC_RDWR, access);
    fuzz_check(h5 >= 0, "the file is opened");
    H5Pclose(access);
}

/* ---- what is in the file ---- */

static void read_values(struct member *m, hid_t attribute)
{
    size_t size = (size_t)H5Sget_simple_extent_npoints(m->space) * H5Tget_size(m->type);
    if (H5Tis_variable_str(m->type) > 0 || size == 0 || size >= MOST_BYTES) {
        return;
    }
    m->values = malloc(size);
    fuzz_check(m->values != NULL &&
                   (m->is_attribute ? H5Aread(attribute, m->type, m->values)
                                    : H5Dread(m->dataset, m->type, H5S_ALL, H5S_ALL, H5P_DEFAULT,
                                              m->values)) >= 0,
               "a value is read");
}

static void add_member(hid_t file, const char *name, bool is_attribute)
{
    if (n_members == MOST || strlen(name) >= LONGEST) {
        return;
    }
    struct member *m = &members[n_members];
    hid_t id = is_attribute ? H5Aopen(file, name, H5P_DEFAULT) : H5Dopen2(file, name, H5P_DEFAULT);
    if (id < 0) {
        return; /* a group */
    }
    *m = (struct member){.is_attribute = is_attribute, .dataset = is_attribute ? -1 : id};
    snprintf(m->name, LONGEST, "%s", name);
    m->type = is_attribute ? H5Aget_type(id) : H5Dget_type(id);
    m->space = is_attribute ? H5Aget_space(id) : H5Dget_space(id);
    read_values(m, id);
    n_members++;
    if (is_attribute) {
        H5Aclose(id);
    }
}

static herr_t visit(hid_t file, const char *name, const H5L_info_t *info, void *unused)
{
    (void)info, (void)unused;
    add_member(file, name, false);
    return 0;
}

static herr_t visit_attribute(hid_t file, const char *name, const H5A_info_t *info, void *unused)
{
    (void)info, (void)unused;
    add_member(file, name, true);
    return 0;
}

static void find_members(void)
{
    H5Lvisit(h5, H5_INDEX_NAME, H5_ITER_INC, visit, NULL);
    H5Aiterate2(h5, H5_INDEX_NAME, H5_ITER_INC, NULL, visit_attribute, NULL);
    fuzz_check(n_members > 5, "the file has members");
}

static void read_original(void)
{
    FILE *file = fopen(stored, "rb");
    original = malloc(MOST_BYTES);
    fuzz_check(file != NULL && original != NULL, "the file is there");
    original_bytes = fread(original, 1, MOST_BYTES, file);
    fuzz_check(original_bytes > 0 && original_bytes < MOST_BYTES && fclose(file) == 0,
               "the file is small");
    open_file();
    find_members();
}

/* The file as it was written, for traces that changing and putting back may leave in it. */
static void begin_again(void)
{
    for (int i = 0; i < n_members; i++) {
        H5Tclose(members[i].type);
        H5Sclose(members[i].space);
        free(members[i].values);
    }
    n_members = 0;
    H5Fclose(h5);
    open_file();
    find_members();
}

static void set_up(void)
{
    char path[128];
    snprintf(path, sizeof path, "%s/data.h5", run);
    fuzz_check(rk_dataset_open(path, &data) == RK_OK &&
                   rk__set_up(&engine, &step, &scorer, rk__config_options(config), data, false,
                              NULL) == RK_OK &&
                   rk__trajectory_text(config, NULL, &trajectory) == RK_OK &&
                   rk__data_text(config, &data_text) == RK_OK,
               "the run is set up");
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
    if (strcmp(FUZZ_STORED, "data.h5") != 0) {
        set_up();
    }
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
static void change_bytes(struct member *m, bytes *b)
{
    static uint8_t values[MOST_BYTES];
    hid_t dataset = H5Dopen2(h5, m->name, H5P_DEFAULT);
    hid_t type = H5Dget_type(dataset), space = H5Dget_space(dataset);
    size_t size = (size_t)H5Sget_simple_extent_npoints(space) * H5Tget_size(type);
    if (!H5Tis_variable_str(type) && size > 0 && size < sizeof values &&
        H5Dread(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) >= 0) {
        size_t at = ((size_t)take(b) << 8 | take(b)) % size, n = take(b) % 16;
        for (size_t i = at; i < at + n && i < size; i++) {
            values[i] = take(b);
        }
        H5Dwrite(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values);
        m->has_changed = m->has_changed || !m->is_gone;
    }
    H5Sclose(space);
    H5Tclose(type);
    H5Dclose(dataset);
}

/* A dataset becomes another one, of any type, rank and length. */
static void replace_dataset(const char *name, bytes *b)
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
    H5Ldelete(h5, name, H5P_DEFAULT);
    hid_t space = H5Screate_simple(rank, shape, NULL);
    hid_t dataset = H5Dcreate2(h5, name, type, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    H5Dwrite(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values);
    H5Dclose(dataset);
    H5Sclose(space);
}

/* An attribute becomes a number or a text. */
static void replace_attribute(const char *name, bytes *b)
{
    uint8_t mode = take(b) % 3, value[40] = {0};
    take_into(b, value, mode == 0 ? sizeof value - 1 : 8);
    H5Adelete(h5, name);
    hid_t space = H5Screate(H5S_SCALAR);
    hid_t type =
        mode == 0 ? H5Tcopy(H5T_C_S1) : H5Tcopy(mode == 1 ? H5T_NATIVE_INT64 : H5T_NATIVE_DOUBLE);
    if (mode == 0) {
        H5Tset_size(type, sizeof value);
    }
    hid_t attribute = H5Acreate2(h5, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
    H5Awrite(attribute, type, value);
    H5Aclose(attribute);
    H5Tclose(type);
    H5Sclose(space);
}

static void change(bytes *b)
{
    struct member *m = &members[take(b) % n_members];
    uint8_t mode = take(b) % 4;
    if (m->is_attribute) {
        if (H5Aexists(h5, m->name) > 0) {
            mode == 0 ? (void)H5Adelete(h5, m->name) : replace_attribute(m->name, b);
            m->is_gone = true;
        }
    } else if (H5Lexists(h5, m->name, H5P_DEFAULT) > 0) {
        switch (mode) {
        case 0:
            H5Ldelete(h5, m->name, H5P_DEFAULT);
            m->is_gone = true;
            break;
        case 1:
            replace_dataset(m->name, b);
            m->is_gone = true;
            break;
        default:
            change_bytes(m, b);
            break;
        }
    }
}

static void put_attribute_back(const struct member *m)
{
    if (H5Aexists(h5, m->name) > 0) {
        H5Adelete(h5, m->name);
    }
    hid_t attribute = H5Acreate2(h5, m->name, m->type, m->space, H5P_DEFAULT, H5P_DEFAULT);
    fuzz_check(attribute >= 0 && (!m->values || H5Awrite(attribute, m->type, m->values) >= 0) &&
                   H5Aclose(attribute) >= 0,
               "an attribute is put back");
}

/* Of a dataset only the link was deleted: it is open, so it is there. */
static void put_dataset_back(const struct member *m)
{
    if (m->is_gone) {
        if (H5Lexists(h5, m->name, H5P_DEFAULT) > 0) {
            H5Ldelete(h5, m->name, H5P_DEFAULT);
        }
        fuzz_check(H5Olink(m->dataset, h5, m->name, H5P_DEFAULT, H5P_DEFAULT) >= 0,
                   "a dataset is put back");
    }
    fuzz_check(!m->has_changed ||
                   H5Dwrite(m->dataset, m->type, H5S_ALL, H5S_ALL, H5P_DEFAULT, m->values) >= 0,
               "values are put back");
}

static void put_back(void)
{
    for (int i = 0; i < n_members; i++) {
        struct member *m = &members[i];
        if (m->is_attribute && m->is_gone) {
            put_attribute_back(m);
        } else if (m->is_gone || m->has_changed) {
            put_dataset_back(m);
        }
        m->is_gone = m->has_changed = false;
    }
}

/* ---- reading ---- */

static rk_status read_dataset(void)
{
    rk_dataset *dataset = NULL;
    rk_status status = rk_dataset_open(stored, &dataset);
    rk_dataset_free(dataset);
    return status;
}

static rk_status read_checkpoint(void)
{
    rk_checkpoint_facts facts = {0};
    rk_position position = {0};
    char *difference = NULL;
    rk_status status = rk__checkpoint_read_facts(stored, &facts);
    if (status != RK_OK) {
        return status;
    }
    if (rk__trajectory_difference(facts.trajectory, trajectory, &difference) == RK_OK) {
        rk_string_free(difference);
    }
    difference = NULL;
    if (rk__data_difference(facts.data, data_text, &difference) == RK_OK) {
        rk_string_free(difference);
    }
    rk__checkpoint_facts_free(&facts);
    status = rk__checkpoint_read(stored, &step, &position);
    if (status == RK_OK) {
        (void)rk__position_diverged(&position);
        rk__position_free(&position);
    }
    return status;
}

static rk_status read_stored(void)
{
    rk_status status = strcmp(FUZZ_STORED, "data.h5") == 0 ? read_dataset() : read_checkpoint();
    fuzz_check(status == RK_OK || rk_last_error()[0] != '\0', "an error has a message");
    return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
    static int inputs;
    if (!original) {
        begin();
        fuzz_check(read_stored() == RK_OK, "the original is fine");
    }
    bytes b = {input, input + size};
    for (int changes = 0; b.at < b.end && changes < 8; changes++) {
        change(&b);
    }
    (void)read_stored();
    put_back();
    if (++inputs % INPUTS_A_FILE == 0) {
        fuzz_check(read_stored() == RK_OK, "what was changed is put back");
        begin_again();
    }
    return 0;
}
