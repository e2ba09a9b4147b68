/* The defaults of the options of a training, which are no options of its config. */
#include "rankine/train.h"

rk_train_options rk_train_defaults(void)
{
    return (rk_train_options){.run_dir = NULL};
}
