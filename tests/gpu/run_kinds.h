/* The kinds of runs that test_devices compares on both devices: their settings. */
#ifndef RK_TESTS_GPU_RUN_KINDS_H
#define RK_TESTS_GPU_RUN_KINDS_H

enum { MOST_SETTINGS = 8 };

/* Models of phases; the tolerance is that of their tensors. */
static const struct {
    const char *settings[MOST_SETTINGS];
    double tolerance;
} kinds_of_phases[] = {
    {{"model.kind=popularity"}, 0},
    {{"model.kind=item_knn", "model.neighbours=20"}, 1e-6},
    {{"model.kind=item_knn", "model.neighbours=20", "model.similarity=bm25",
      "model.aggregate=target"},
     1e-5},
    {{"model.kind=item_knn", "model.neighbours=9", "model.similarity=pearson",
      "model.aggregate=bars"},
     1e-5},
    {{"model.kind=item_knn", "model.neighbours=30", "model.similarity=jaccard",
      "model.aggregate=target_l1", "model.shrinkage=5"},
     1e-6},
    {{"model.kind=rp3beta", "model.neighbours=20"}, 1e-5},
    {{"model.kind=slim", "model.neighbours=20", "model.tolerance=1e-12"}, 1e-4},
    {{"model.kind=user_knn", "model.neighbours=20"}, 1e-5},
    {{"model.kind=turbo_cf", "model.filter_order=2"}, 1e-5},
    {{"model.kind=turbo_cf", "model.filter_power=0.7", "model.neighbours=20"}, 1e-5},
    {{"model.kind=ease", "model.l2=20"}, 1e-4},
    {{"model.kind=gf_cf", "model.dim=12"}, 1e-3},
    {{"model.kind=pure_svd", "model.dim=12"}, 1e-3},
    {{"model.kind=pure_svd", "model.dim=5", "model.weigh_by=value"}, 1e-3},
    {{"model.kind=ials"}, 1e-3},
    {{"model.kind=ials", "model.weighting=confidence", "model.l2=1"}, 1e-3},
    {{"model.kind=ials", "model.solver=cg"}, 1e-3},
    {{"model.kind=ials", "model.weigh_by=value"}, 1e-3},
    {{"model.kind=als"}, 1e-3},
    {{"model.kind=als", "model.biases=false", "model.solver=cg"}, 1e-3},
};

/* Models that are trained by gradients. */
static const char *const kinds_of_gradients[][MOST_SETTINGS] = {
    {"cuda.propagation=cusparse", "cuda.steps_per_launch=4", "sampling.positives=shuffle",
     "train.steps_per_epoch=0"},
    {"model.kind=mf", "sampling.negatives=popularity", "loss.l2_form=norm", "model.dim=7"},
    {"model.layers=3", "model.layer_weights=last", "sampling.negatives=dynamic",
     "sampling.candidates=3", "loss.l2_on=propagated"},
    {"model.layers=1", "model.init=xavier", "sampling.negatives=popular_pool",
     "sampling.pool_size=30", "loss.l2_rows=unique", "train.optimizer=sgd",
     "train.learning_rate=5"},
    {"model.layer_weights=learned", "model.layers=3"},
    {"model.layer_weights=learned_softmax", "train.clip_norm=0.05", "train.learning_rate=0.05"},
    {"model.layer_weights=given", "model.given_weights=[0.1, 0.2, 0.7]"},
    {"model.kind=lightgcn++", "model.layers=3"},
    {"loss.kind=softmax", "sampling.negatives=in_batch", "model.init=xavier",
     "loss.popularity_correction=0.5", "sampling.positives=shuffle", "model.layers=1"},
    {"loss.kind=align_uniform", "sampling.negatives=in_batch", "model.layers=2"},
    {"loss.kind=ccl", "sampling.per_positive=5", "loss.margin=0.4", "loss.negative_weight=30"},
    {"loss.kind=bce", "sampling.per_positive=3", "loss.bce_w2=1", "loss.bce_w4=1", "model.kind=mf",
     "loss.neighbours=4", "loss.weigh_by=value"},
    {"sampling.weigh_by=value", "loss.weigh_by=value", "sampling.positives=interaction",
     "model.kind=mf"},
    {"loss.neighbours=1", "loss.neighbours_weight=0.3", "sampling.positives=shuffle",
     "train.steps_per_epoch=0", "train.propagation=fp16", "model.dim=16"},
    {"loss.contrast=simgcl", "model.layer_weights=mean_without_ego"},
    {"loss.contrast=xsimgcl", "loss.contrast_layer=2", "loss.contrast_noise=0.3"},
    {"loss.contrast=sgl", "loss.contrast_dropout=0.3", "model.layers=3", "train.propagation=fp16",
     "model.dim=16"},
    {"loss.contrast=sgl", "cuda.propagation=cusparse", "cuda.steps_per_launch=3"},
    {"train.schedule=cosine", "train.schedule_epochs=6", "train.warmup_steps=5",
     "train.clip_norm=0.02", "cuda.steps_per_launch=3"},
    {"train.warmup_epochs=2.5", "train.clip_value=1e-4", "train.optimizer=sgd",
     "train.learning_rate=50"},
    {"train.propagation=fp16", "model.layers=3", "model.dim=16"},
    {"model.layer_weights=mean_without_ego", "loss.l2_rows=unique", "loss.l2_form=norm",
     "loss.l2_divisor=nominal", "sampling.positives=interaction", "train.weight_decay=1e-4"},
    {"graph.form=gram", "model.layers=3", "cuda.steps_per_launch=4"},
    {"graph.form=gram", "model.layer_weights=last", "cuda.gram=fp32"},
    {"model.kind=fm", "train.learning_rate=0.02"},
    {"model.kind=gmf", "loss.kind=bce", "sampling.per_positive=3"},
    {"model.kind=neumf", "loss.kind=bce", "sampling.per_positive=2", "model.hidden=[16, 8]"},
    {"model.kind=svd", "loss.kind=mse"},
    {"model.kind=gcn", "model.dropout=0.2", "model.edge_dropout=0.2", "model.activation=elu"},
    {"model.kind=gcn", "model.edges=mean", "model.self=weight", "model.scorer=cosine",
     "loss.kind=hinge", "loss.margin=0.3", "train.message_share=0.5"},
    {"model.kind=gat", "model.heads=2", "model.attention_dropout=0.2"},
    {"model.kind=rgcn", "model.edges=mean", "model.bases=2"},
    {"model.kind=compgcn", "model.composition=corr", "model.activation=tanh"},
    {"model.kind=fm", "loss.kind=mse"},
};

#endif
