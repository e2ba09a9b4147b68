/* rk_train_program: a training step as a page. */
#include "base/alloc.h"
#include "base/buffer.h"
#include "rankine/train.h"
#include "train/members.h"
#include "train/profile.h"
#include "train/set_up.h"

/* How the device replays a phase; nothing where it goes operation by operation. */
static rk_status add_graph(rk_buffer *out, const rk_step *step, int phase)
{
    const rk_engine *e = step->engine;
    int64_t nodes = 0;
    if (e->device->graph_nodes) {
        RK_TRY(e->device->graph_nodes(e->context, step->loaded[phase], &nodes));
    }
    if (nodes == 0) {
        char why[512];
        bool has_reason = e->device->note && e->device->note(e->context, why, sizeof why);
        rk__buffer_add(out, "\ndevice %s runs it operation by operation%s%s\n", e->device->name,
                       has_reason ? ": " : "", has_reason ? why : "");
        return RK_OK;
    }
    rk__buffer_add(out, "\ndevice %s replays it as a graph of %lld nodes\n", e->device->name,
                   (long long)nodes);
    return RK_OK;
}

static rk_status add_phase(rk_buffer *out, const rk_step *step, int phase,
                           const rk_batch_facts *batch)
{
    char *page = NULL;
    RK_TRY(rk__program_print(&step->phases[phase], batch, &page));
    rk__buffer_add(out, "%s%s", phase > 0 ? "\n" : "", page);
    rk__free(page);
    return add_graph(out, step, phase);
}

static rk_status print(const rk_options *options, const rk_dataset *dataset, const rk_hooks *hooks,
                       char **out_text)
{
    rk_engine engine;
    rk_step step;
    rk_scorer *scorer = NULL;
    rk_batch_facts *batch = NULL;
    rk_buffer out = {0};
    int n = 0;
    rk_status status = RK_OK;
    RK_TRY(rk__set_up(&engine, &step, &scorer, options, dataset, false, hooks));
    RK_TRY_GOTO(done, rk__profile_batch(&step, &batch, &n));
    for (int i = 0; i < step.n_phases; i++) {
        RK_TRY_GOTO(done, add_phase(&out, &step, i, batch));
    }
    status = rk__buffer_take(&out, out_text);
done:
    rk__buffer_free(&out);
    rk__free(batch);
    rk__tear_down(&engine, &step, &scorer);
    return status;
}

rk_status rk_train_program(const rk_config *config, const rk_dataset *dataset,
                           const rk_hooks *hooks, char **out_text)
{
    rk_dataset *prepared = NULL;
    RK_TRY(rk__model_check_config(config, false, dataset != NULL));
    if (!dataset) {
        RK_TRY(rk_dataset_prepare(config, false, hooks, &prepared));
    }
    const rk_dataset *data = dataset ? dataset : prepared;
    rk_members members = {.n = 0};
    rk_status status = rk__members_open(&members, config, data, hooks);
    if (status == RK_OK) {
        status = print(rk__config_options(members.n > 0 ? members.config : config), data, hooks,
                       out_text);
    }
    rk__members_close(&members);
    rk_dataset_free(prepared);
    return status;
}
