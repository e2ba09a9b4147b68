/* Facts that several commands print or ask for: of a data set, of a report, of a config. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

static void number(cli_json *j, const char *key, int64_t value)
{
    cli_json_key(j, key);
    cli_json_int(j, value);
}

static void json_degrees(cli_json *j, const char *key, const rk_degrees *d)
{
    cli_json_key(j, key);
    cli_json_open(j, '{');
    number(j, "min", d->min);
    number(j, "median", d->median);
    cli_json_key(j, "mean");
    cli_json_real(j, d->mean);
    number(j, "max", d->max);
    cli_json_key(j, "deciles");
    cli_json_open(j, '[');
    for (int i = 0; i < 9; i++) {
        cli_json_int(j, d->decile[i]);
    }
    cli_json_close(j, ']');
    cli_json_close(j, '}');
}

static void json_text(cli_json *j, const char *key, const char *text)
{
    cli_json_key(j, key);
    cli_json_text(j, text);
}

static void json_relation(cli_json *j, const rk_relation *r)
{
    cli_json_open(j, '{');
    json_text(j, "name", r->name);
    json_text(j, "from", r->from);
    json_text(j, "to", r->to);
    number(j, "edges", r->n_edges);
    number(j, "types", r->n_types);
    cli_json_key(j, "weighted");
    cli_json_bool(j, r->weights != NULL);
    cli_json_key(j, "derived");
    cli_json_bool(j, r->is_derived);
    number(j, "rows_read", r->rows_read);
    number(j, "rows_filtered", r->rows_filtered);
    number(j, "edges_unknown", r->edges_unknown);
    number(j, "edges_repeated", r->edges_repeated);
    number(j, "held_out", r->held_out);
    cli_json_key(j, "drops_held_out");
    cli_json_bool(j, r->drops_held_out);
    cli_json_close(j, '}');
}

static void json_features(cli_json *j, const rk_features *f)
{
    cli_json_open(j, '{');
    json_text(j, "of", f->of);
    number(j, "nodes", f->n_nodes);
    number(j, "nodes_known", f->nodes_known);
    number(j, "numbers", f->n_dense);
    number(j, "words", f->n_sparse);
    number(j, "numbers_missing", f->numbers_missing);
    number(j, "rows_unknown", f->rows_unknown);
    number(j, "rows_repeated", f->rows_repeated);
    cli_json_close(j, '}');
}

static void json_sides(cli_json *j, const rk_dataset *dataset)
{
    int64_t n = 0;
    cli_json_key(j, "nodes");
    cli_json_open(j, '{');
    for (int64_t t = 0; t < rk_dataset_n_node_types(dataset); t++) {
        const char *name = rk_dataset_node_type(dataset, t, &n);
        number(j, name, n);
    }
    cli_json_close(j, '}');
    cli_json_key(j, "relations");
    cli_json_open(j, '[');
    for (int64_t i = 0; i < rk_dataset_n_relations(dataset); i++) {
        json_relation(j, rk_dataset_relation(dataset, i));
    }
    cli_json_close(j, ']');
    cli_json_key(j, "features");
    cli_json_open(j, '[');
    for (int64_t i = 0; i < rk_dataset_n_features(dataset); i++) {
        json_features(j, rk_dataset_features(dataset, i));
    }
    cli_json_close(j, ']');
}

/* The names are those of report.json. */
void cli_json_dataset(cli_json *j, const rk_dataset *dataset)
{
    const rk_dataset_stats *s = rk_dataset_get_stats(dataset);
    cli_json_open(j, '{');
    cli_json_key(j, "name");
    cli_json_text(j, rk_dataset_name(dataset));
    cli_json_key(j, "fingerprint");
    cli_json_text(j, rk_dataset_fingerprint(dataset));
    cli_json_key(j, "file");
    cli_json_text(j, rk_dataset_path(dataset));
#define COUNT(member) number(j, #member, s->member);
    COUNT(users)
    COUNT(items)
    COUNT(interactions)
    COUNT(train)
    COUNT(valid)
    COUNT(test)
    COUNT(rows_read)
    COUNT(rows_filtered)
    COUNT(rows_missing)
    COUNT(ids_trimmed)
    COUNT(duplicates)
    COUNT(overlap)
    COUNT(filter_passes)
    COUNT(users_dropped)
    COUNT(items_dropped)
    COUNT(empty_users)
    COUNT(valid_users)
    COUNT(test_users)
    COUNT(cold_valid_items)
    COUNT(cold_test_items)
    COUNT(cold_items)
    COUNT(cold_test_users)
    COUNT(given)
    COUNT(tied_users)
    COUNT(repeats)
    COUNT(in_gap)
#undef COUNT
    cli_json_key(j, "density");
    cli_json_real(j, s->density);
    json_degrees(j, "user_degrees", &s->user_degrees);
    json_degrees(j, "item_degrees", &s->item_degrees);
    json_sides(j, dataset);
    cli_json_close(j, '}');
}

/* The library wrote the file, and rk_report_open has read it: it goes out as it is. */
static int copy_file(cli_json *j, const char *path)
{
    FILE *file = fopen(path, "rb");
    char block[4096];
    size_t n;
    if (!file) {
        return cli_error(rk_status_exit_code(RK_ERR_IO), "%s: %s", path, strerror(errno));
    }
    cli_json_raw(j, "");
    while ((n = fread(block, 1, sizeof block, file)) > 0) {
        for (size_t i = 0; i < n; i++) {
            if (block[i] != '\n') {
                fputc(block[i], j->out);
            }
        }
    }
    fclose(file);
    return 0;
}

int cli_json_report(cli_json *j, const char *run_dir)
{
    rk_report *report = NULL;
    if (rk_report_open(run_dir, &report) != RK_OK) {
        cli_json_raw(j, "null");
        return 0;
    }
    rk_report_free(report);
    char *path = cli_format("%s/report.json", run_dir);
    int code = copy_file(j, path);
    cli_free(path);
    return code;
}
