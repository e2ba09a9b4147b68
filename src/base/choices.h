/*
 * The choices of options as enumerators, made from the lists of choices.def. They are in this room
 * because operations, devices and kernels use some of them.
 */
#ifndef RK_BASE_CHOICES_H
#define RK_BASE_CHOICES_H

#include "base/choices.def"

#define RK_CHOICE_ENUMERATOR(enumerator, word) enumerator,
#define RK_CHOICE_ENUM(LIST) enum { RK_CHOICES_##LIST(RK_CHOICE_ENUMERATOR) };
RK_CHOICE_LISTS(RK_CHOICE_ENUM)
#undef RK_CHOICE_ENUM
#undef RK_CHOICE_ENUMERATOR

/* No choice of model.init: how a model may begin a parameter of its own. */
enum { RK_INIT_CONSTANT = RK_INIT_XAVIER_NORMAL + 1 };

#endif
