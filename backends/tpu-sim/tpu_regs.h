/* SPDX-License-Identifier: Apache-2.0 */
/* Registers of the chip: what the driver reads and writes and the model answers. 32 bits each, in
 * one page of 4 KiB; docs/TPU_SIM.md has the map in words. */
#ifndef TN_BACKENDS_TPU_REGS_H
#define TN_BACKENDS_TPU_REGS_H

#include <stddef.h>
#include <stdint.h>

#define TPU_MAGIC 0x544e5354u /* "TSNT" */
enum { TPU_ISA = 1 };

enum {
    TPU_ID = 0x000,
    TPU_VERSION = 0x004, /* isa << 16 | revision */
    TPU_CAP_ROWS = 0x008,
    TPU_CAP_COLS = 0x00c,
    TPU_CAP_ARRAYS = 0x010, /* arrays | planes << 8 */
    TPU_CAP_LANES = 0x014,
    TPU_CAP_TYPES = 0x018, /* bit (1 << tn_dtype) of what the array multiplies */
    TPU_CAP_FLAGS = 0x01c, /* TN_K_SYS_SEQUENTIAL .. */
    TPU_CAP_SPAD_KIB = 0x020,
    TPU_CAP_ACC_KIB = 0x024,
    TPU_CAP_ROW_BYTES = 0x028,
    TPU_CAP_QUEUES =
        0x02c, /* depth of an engine's queue | semaphores << 8 | ring's most log2 << 16 */
    TPU_CAP_CLOCK_KHZ = 0x030,
    TPU_CAP_NUMERICS = 0x034, /* how the array adds: TPU_NUMERICS_*; 0: as docs/NUMERICS.md */
    TPU_CAP_ERRATA = 0x038,   /* bit (1 << id) */
    TPU_CAP_PROTECT = 0x03c,  /* 0 none, 1 ecc, 2 full */
    TPU_FUSE_SELECT = 0x040,  /* word of the mask of columns */
    TPU_FUSE_MASK = 0x044,    /* disabled columns; a bit that is set stays, a reset applies it */
    TPU_SERIAL = 0x048,
    TPU_BIN = 0x04c,
    TPU_CTRL = 0x050,
    TPU_STATUS = 0x054,
    TPU_ERR_CODE = 0x058,
    TPU_ERR_INFO = 0x05c,
    TPU_ERR_ADDR_LO = 0x060,
    TPU_ERR_ADDR_HI = 0x064,
    TPU_ERR_SEQ = 0x068,
    TPU_TEMP = 0x070,
    TPU_THROTTLE = 0x074, /* clock in 256ths */
    TPU_CLK_ACT = 0x078,  /* kHz */
    TPU_IRQ_RAW = 0x080,
    TPU_IRQ_STATUS = 0x084, /* write 1 to clear, here and in RAW */
    TPU_IRQ_MASK = 0x088,
    TPU_CAP_TABLE = 0x090, /* segments of the tables of functions; 0: none */
    TPU_WIN_LO = 0x0a0,
    TPU_WIN_HI = 0x0a4,
    TPU_RING_LO = 0x100,
    TPU_RING_HI = 0x104,
    TPU_RING_LOG2 = 0x108,
    TPU_HEAD = 0x10c,
    TPU_TAIL = 0x110, /* the doorbell; both count packets modulo 2^32 */
    TPU_FENCE_LO = 0x114,
    TPU_FENCE_HI = 0x118, /* where the last fence number is written, 64 bits */
    TPU_WDOG_US = 0x11c,
    TPU_SEM = 0x400,
    TPU_PMU_CTRL = 0x800,   /* 1 clears, 2 freezes, 4 thaws */
    TPU_PMU = 0x808,        /* pairs of words, low first: TPU_COUNT_* */
    TPU_DBG_SPACE = 0xc00,  /* 0 scratchpad, 1 accumulators, 2 weight planes */
    TPU_DBG_ADDR = 0xc04,   /* byte */
    TPU_DBG_DATA = 0xc08,   /* one word, and on to the next */
    TPU_DBG_ENGINE = 0xc0c, /* one to look at: TPU_DBG_WAITS, TPU_DBG_OP */
    TPU_DBG_WAITS = 0xc10,  /* state | semaphore << 8 | value << 16 of the head of its queue */
    TPU_DBG_OP = 0xc14,     /* op | tag << 16 of the head */
    TPU_DBG_BREAK =
        0xc18, /* the front end stops before this packet (as HEAD counts); all ones: none */
    TPU_SCRATCH = 0xe00,
    TPU_WINDOW = 0x1000,
    TPU_BYTES = 0x2000
};
/* STEP hands out one packet and stops again; a stop or a halt ends with a write without these. */
enum { TPU_CTRL_RESET = 1, TPU_CTRL_ENABLE = 2, TPU_CTRL_HALT = 4, TPU_CTRL_STEP = 8 };
enum {
    TPU_STATUS_IDLE = 1,
    TPU_STATUS_RUNNING = 2,
    TPU_STATUS_HALTED = 4,
    TPU_STATUS_ERROR = 8,
    TPU_STATUS_THROTTLED = 16,
    TPU_STATUS_STOPPED = 32 /* at a breakpoint or after a step; engines go on with what they have */
};
/* 0: a column adds its rows one by one from +0 to the nearest even, subnormals kept; integers wrap
 * in 32 bits. */
enum {
    TPU_NUMERICS_TREE = 0x7ff,      /* so many neighbouring products are added pairwise first */
    TPU_NUMERICS_START = 1 << 16,   /* a column starts at what the accumulators hold */
    TPU_NUMERICS_TO_ZERO = 1 << 17, /* products and sums are rounded toward zero */
    TPU_NUMERICS_FLUSH = 1 << 18,   /* subnormal elements, products and sums are zeros */
    TPU_NUMERICS_SATURATE = 1 << 19,
    TPU_NUMERICS_BITS = 24 /* shift: bits of a column's sum of integers, 0: 32 */
};
enum { TPU_IRQ_DONE = 1, TPU_IRQ_ERROR = 2, TPU_IRQ_THERMAL = 4 };
enum {
    TPU_ERR_NONE,
    TPU_ERR_BUS,    /* a transfer left the memory that it may touch, or the bus failed */
    TPU_ERR_PACKET, /* no such op, field out of range */
    TPU_ERR_CRC,    /* packet or transfer */
    TPU_ERR_RANGE,  /* rows outside of the scratchpad or the accumulators */
    TPU_ERR_TYPE,
    TPU_ERR_ECC, /* two bits of a word */
    TPU_ERR_WATCHDOG,
    TPU_ERR_SEMAPHORE, /* above 65,535 */
    TPU_ERR_COMPARE    /* a tile came out differently the second time; ERR_INFO has the column */
};
enum {
    TPU_COUNT_CYCLES, /* of the array's clock, since clear */
    TPU_COUNT_PACKETS,
    TPU_COUNT_MACS, /* useful: k * n * rows */
    TPU_COUNT_READ_BYTES,
    TPU_COUNT_READ_BURSTS, /* bytes, whole bursts counted */
    TPU_COUNT_WRITE_BYTES,
    TPU_COUNT_WRITE_BURSTS,
    TPU_COUNT_VECTOR, /* elements */
    TPU_COUNT_IRQS,
    TPU_COUNT_IRQS_LOST,
    TPU_COUNT_ECC_CORRECTED,
    TPU_COUNT_ECC_FATAL,
    TPU_COUNT_TRANSFERS, /* LD and ST */
    TPU_COUNT_RACES,     /* overlaps in flight without an order */
    TPU_COUNT_UNWRITTEN, /* reads of rows that nothing wrote */
    TPU_COUNT_NS,
    TPU_COUNT_ENGINES, /* ticks busy, waiting for a semaphore, for a resource, empty; each engine */
    TPU_COUNTS = TPU_COUNT_ENGINES + 4 * 12
};

/** The CRC-32 of packets (reflected 0xedb88320), continued from `crc`, 0 at first. */
static inline uint32_t tpu_crc32(uint32_t crc, const void *data, size_t bytes)
{
    const unsigned char *at = data;
    crc = ~crc;
    for (size_t i = 0; i < bytes; i++) {
        crc ^= at[i];
        for (int b = 0; b < 8; b++)
            crc = crc >> 1 ^ (0xedb88320u & (0u - (crc & 1u)));
    }
    return ~crc;
}

#endif
