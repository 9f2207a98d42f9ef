/* SPDX-License-Identifier: Apache-2.0 */
/* Defects of memory, copies, queues and fences, which mutant_device.c has; finding defects by name.
 */
/* path: api > placement > queue > [backend] > kernel > device */
#include "mutant.h"

#define HAL .family = "runtime"
const mutant_defect tn__mutant_hal[] = {
    {.id = "R01",
     .text = "a fence is signalled before the stores are visible",
     HAL,
     .hal = MUTANT_EARLY_FENCE},
    {.id = "R02",
     .text = "copies ignore the offset of their target",
     HAL,
     .hal = MUTANT_COPY_OFFSET},
    {.id = "R03",
     .text = "lengths of copies are rounded down to 4",
     HAL,
     .hal = MUTANT_COPY_LENGTH},
    {.id = "R04", .text = "writes begin at multiples of 4", HAL, .hal = MUTANT_WRITE_ALIGN},
    {.id = "R05", .text = "some writes are lost", HAL, .hal = MUTANT_LOST_WRITE},
    {.id = "R06", .text = "parameters of the run before are used", HAL, .hal = MUTANT_OLD_PARAMS},
    {.id = "R07", .text = "a map shows old data", HAL, .hal = MUTANT_STALE_MAP},
    {.id = "R08", .text = "fills of 2 bytes repeat the low one", HAL, .hal = MUTANT_FILL_PATTERN},
    {.id = "R09",
     .text = "an op without kernel is accepted and nothing is done",
     HAL,
     .hal = MUTANT_CLAIMS_ALL},
    {.id = "R10",
     .text = "a buffer above the limit is made",
     HAL,
     .hal = MUTANT_HUGE_BUFFER,
     .equivalent = "the core refuses the size before the device is asked"},
    {.id = "R11", .text = "address line 17 is stuck", HAL, .hal = MUTANT_ADDRESS_LINE},
    {.id = "R12", .text = "hangs for one size", HAL, .hal = MUTANT_HANG},
    {.id = "R13", .text = "reads of odd lengths lack the last byte", HAL, .hal = MUTANT_READ_ODD},
    {.id = "R14", .text = "crashes for one size", HAL, .hal = MUTANT_CRASH},
    {.id = "R15", .text = "what lies behind a page border is lost", HAL, .hal = MUTANT_PAGE},
    {.id = "R16", .text = "a data line is stuck at 0", HAL, .hal = MUTANT_DATA_LINE},
    {.id = "R17", .text = "a host function is called twice now and then", HAL, .hal = MUTANT_CALLS},
    {0}};

static const mutant_defect *const tables[] = {
    tn__mutant_matmul,  tn__mutant_ops,    tn__mutant_rows,     tn__mutant_hal,
    tn__mutant_seldom,  tn__mutant_subtle, tn__mutant_launches, tn__mutant_stress,
    tn__mutant_classes, tn__mutant_order};
enum { TABLES = sizeof tables / sizeof tables[0] };

const mutant_defect *tn__mutant_at(uint32_t index)
{
    for (int t = 0; t < TABLES; ++t)
        for (const mutant_defect *m = tables[t]; m->id != NULL; ++m)
            if (index-- == 0)
                return m;
    return NULL;
}

uint32_t tn__mutant_count(void)
{
    uint32_t n = 0;
    while (tn__mutant_at(n) != NULL)
        ++n;
    return n;
}

const mutant_defect *tn__mutant_find(const char *id)
{
    const mutant_defect *m;
    for (uint32_t i = 0; (m = tn__mutant_at(i)) != NULL; ++i)
        if (strcmp(m->id, id) == 0)
            return m;
    return NULL;
}
