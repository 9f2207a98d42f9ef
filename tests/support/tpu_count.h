/* SPDX-License-Identifier: Apache-2.0 */
/* What the chip counted against a stream: overlaps without an order, reads of rows that nothing wrote. */
#ifndef TN_TESTS_SUPPORT_TPU_COUNT_H
#define TN_TESTS_SUPPORT_TPU_COUNT_H

#include "test.h"

#include <backends/tpu-sim/tpu_regs.h>
#include <tenon/diag.h>

/* Takes the device out of service. */
static inline void tpu_expect_clean(tn_device *device)
{
    tn_bus bus;
    tn_chip chip = {.head = TN_INIT(tn_chip)};
    TN_REQUIRE(tn_device_bus(device, &bus, &chip) == TN_OK);
    uint32_t packets = bus.read32(bus.self, TPU_PMU + 8 * TPU_COUNT_PACKETS);
    uint32_t races = bus.read32(bus.self, TPU_PMU + 8 * TPU_COUNT_RACES);
    uint32_t unwritten = bus.read32(bus.self, TPU_PMU + 8 * TPU_COUNT_UNWRITTEN);
    TN_EXPECT(packets != 0, "nothing ran");
    TN_EXPECT(races == 0 && unwritten == 0, "%u races, %u reads of nothing in %u packets", races,
              unwritten, packets);
}

#endif
