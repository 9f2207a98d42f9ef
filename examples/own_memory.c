/* SPDX-License-Identifier: Apache-2.0 */
/* Memory that the program has already: used in place where the device can read it, copied where it
 * cannot; the same code for both. usage: own_memory [URI] */
#include <stdio.h>
#include <stdlib.h>

#include <tenon/tenon.h>

enum { ROWS = 8, COLS = 512 };

static void check(tn_status st, const char *what)
{
    tn_error e;
    if (st == TN_OK)
        return;
    tn_error_last(&e);
    fprintf(stderr, "%s: %s: %s\n", what, e.reason, e.text);
    exit(1);
}

/* Called once, when the last work on the memory is done and the last reference is gone. */
static void release(void *self)
{
    *(int *)self += 1;
}

int main(int argc, char **argv)
{
    static TN_ALIGNED(4096) float data[ROWS][COLS];
    float sums[ROWS];
    const char *uri = argc > 1 ? argv[1] : "cpu";
    int released = 0;
    tn_runtime *runtime = NULL;
    tn_device *device = NULL;
    tn_queue *queue = NULL;
    tn_buffer *in = NULL, *out = NULL;
    for (int i = 0; i < ROWS; ++i)
        for (int j = 0; j < COLS; ++j)
            data[i][j] = (float)(i + 1);
    check(tn_runtime_create(NULL, &runtime), "runtime");
    check(tn_device_open(runtime, uri, &device), uri);
    check(tn_queue_create(device, NULL, &queue), "queue");

    /* UNSUPPORTED is the device's answer that it would need a copy; then it is ours to make. */
    tn_external external = {.head = TN_INIT(tn_external),
                            .kind = TN_EXTERNAL_HOST,
                            .pointer = data,
                            .bytes = sizeof data,
                            .release = release,
                            .self = &released};
    tn_status st = tn_buffer_import(device, &external, &in);
    int shared = st == TN_OK;
    if (st == TN_STATUS_UNSUPPORTED) {
        tn_buffer_desc desc = {.head = TN_INIT(tn_buffer_desc), .bytes = sizeof data};
        check(tn_buffer_create(device, &desc, &in), "a buffer for the copy");
        check(tn_queue_write(queue, in, 0, data, sizeof data, NULL), "copy");
    } else {
        check(st, "import");
    }
    tn_buffer_desc desc = {.head = TN_INIT(tn_buffer_desc), .bytes = sizeof sums};
    check(tn_buffer_create(device, &desc, &out), "a buffer");

    tn_reduce attr = {.head = TN_INIT(tn_reduce), .kind = TN_REDUCE_SUM, .axes_mask = 1 << 1};
    tn_arg args[2] = {{.role = TN_ARG_A}, {.role = TN_ARG_OUT}};
    args[0].tensor = (tn_tensor){
        .dtype = TN_F32, .rank = 2, .dim = {ROWS, COLS}, .stride = {COLS, 1}, .buffer = in};
    tn_op op = {
        .head = TN_INIT(tn_op), .kind = TN_OP_REDUCE, .arg_count = 1, .attr = &attr, .args = args};
    /* The shape of the output follows from the inputs. */
    check(tn_op_infer(&op, TN_ARG_OUT, &args[1].tensor), "infer");
    args[1].tensor.buffer = out;
    op.arg_count = 2;
    check(tn_compute(queue, &op), "sum");

    /* map waits for nothing: tn_compute has. On a device of its own memory it is staged. */
    void *mapped = NULL;
    check(tn_buffer_map(out, 0, sizeof sums, TN_MAP_READ, &mapped), "map");
    for (int i = 0; i < ROWS; ++i)
        sums[i] = ((const float *)mapped)[i];
    check(tn_buffer_unmap(out), "unmap");
    printf("%s, rank %d, first %g, last %g\n", shared ? "in place" : "copied", args[1].tensor.rank,
           sums[0], sums[ROWS - 1]);

    tn_buffer_release(in);
    tn_buffer_release(out);
    tn_queue_release(queue);
    tn_device_release(device);
    tn_runtime_release(runtime);
    printf("released %d time(s)\n", released);
    return released != shared;
}
