/* SPDX-License-Identifier: Apache-2.0 */
/* Everything a program that uses Tenon needs; backend.h is separate. */
#ifndef TENON_TENON_H
#define TENON_TENON_H

#include <tenon/base.h>
#include <tenon/device.h>
#include <tenon/diag.h>
#include <tenon/dtype.h>
#include <tenon/memory.h>
#include <tenon/ops.h>
#include <tenon/plan.h>
#include <tenon/queue.h>
#include <tenon/tensor.h>

#endif
