/* What a run began from: as a sentence, and in its report. */
#include "base/buffer.h"
#include "train/warm_start.h"

void rk__warm_facts_tell(const rk_warm_facts *f, const rk_hooks *hooks)
{
    rk_buffer text = {0};
    if (!f->run || !hooks || !hooks->log) {
        return;
    }
    rk__buffer_add(&text,
                   "begins from %s (epoch %lld): %lld users and %lld items are taken over, %lld "
                   "users and %lld items are new",
                   f->run, (long long)f->epoch, (long long)f->users, (long long)f->items,
                   (long long)f->new_users, (long long)f->new_items);
    if (f->folded > 0) {
        rk__buffer_add(&text, ", %lld of them made of what they have", (long long)f->folded);
    } else if (f->new_users + f->new_items > 0) {
        rk__buffer_add(&text, " and drawn");
    }
    if (f->gone_users + f->gone_items > 0) {
        rk__buffer_add(&text, "; %lld users and %lld items of it are not in the data any more",
                       (long long)f->gone_users, (long long)f->gone_items);
    }
    if (text.status == RK_OK) {
        hooks->log(hooks->user, RK_LOG_INFO, text.at);
    }
    rk__buffer_free(&text);
}

void rk__warm_facts_json(rk_json *json, const rk_warm_facts *f)
{
    if (!f->run) {
        rk__json_null(json, "from");
        return;
    }
    rk__json_begin(json, "from", '{');
    rk__json_text(json, "run", f->run);
    rk__json_int(json, "epoch", f->epoch);
    rk__json_text(json, "new_ids", f->folds ? "folded" : "drawn");
#define COUNT(member) rk__json_int(json, #member, f->member);
    COUNT(users)
    COUNT(items)
    COUNT(new_users)
    COUNT(new_items)
    COUNT(folded)
    COUNT(gone_users)
    COUNT(gone_items)
#undef COUNT
    rk__json_end(json, '}');
}
