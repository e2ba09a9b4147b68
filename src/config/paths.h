/*
 * Where paths of a config start from. The rule, for data.root and data.cache:
 *   in a YAML file   a relative path starts at the folder of that file
 *   in rk_config_set (--set, --data)  at the current folder
 *   empty            the folder of the config file
 *   default          data.root is empty; data.cache is .rankine in the current folder
 * Both are made absolute at once, so that the resolved config says the same wherever it is loaded
 * from. Sources and labels start at data.root, later, when they are opened.
 */
#ifndef RK_CONFIG_PATHS_H
#define RK_CONFIG_PATHS_H

#include "base/error.h"

/* The folder part of a path ("." if there is none) and the name without folder and .yaml or .yml.
 */
rk_status rk__path_folder(char **out, const char *path);
rk_status rk__path_stem(char **out, const char *path);

/* The last part of a path. */
const char *rk__path_name(const char *path);

/* path as an absolute one: it starts at folder, which starts at the current folder. */
rk_status rk__path_absolute(char **out, const char *folder, const char *path);

#endif
