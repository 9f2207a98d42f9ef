/* SPDX-License-Identifier: Apache-2.0 */
/* Backends by URI scheme: built in (a table made by CMake), then plugins (plugin.h). */
#ifndef TN_HAL_REGISTRY_H
#define TN_HAL_REGISTRY_H

#include <tenon/backend.h>

typedef tn_status (*tn__backend_query)(uint32_t host_abi, const tn_backend_ops **out);
/* NULL-terminated. */
extern const tn__backend_query tn__builtin_backends[];

#endif
