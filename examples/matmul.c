/* SPDX-License-Identifier: Apache-2.0 */
/* The first program: one matmul on a device that the command line names. usage: matmul [URI] */
#include <stdio.h>

#include <tenon/tenon.h>

/* What went wrong is kept for each thread: a status says what the caller can do, the text the rest.
 */
static int failed(const char *what)
{
    tn_error e;
    tn_error_last(&e);
    fprintf(stderr, "%s: %s (%s): %s\n", what, tn_status_name(e.status), e.reason, e.text);
    return 1;
}

/* A dense row-major matrix of floats; strides count elements. */
static tn_tensor matrix(tn_buffer *buffer, int64_t rows, int64_t cols)
{
    tn_tensor t = {.dtype = TN_F32, .rank = 2, .dim = {rows, cols}, .stride = {cols, 1}};
    t.buffer = buffer;
    return t;
}

int main(int argc, char **argv)
{
    const char *uri = argc > 1 ? argv[1] : "cpu";
    const float a[2][3] = {{1, 2, 3}, {4, 5, 6}};
    const float b[3][2] = {{1, 0}, {0, 1}, {10, 100}};
    float out[2][2];
    tn_runtime *runtime = NULL;
    tn_device *device = NULL;
    tn_queue *queue = NULL;
    tn_buffer *buffer[3] = {NULL};
    const uint64_t bytes[3] = {sizeof a, sizeof b, sizeof out};
    int rc = 1;

    if (tn_runtime_create(NULL, &runtime) != TN_OK ||
        tn_device_open(runtime, uri, &device) != TN_OK ||
        tn_queue_create(device, NULL, &queue) != TN_OK) {
        rc = failed(uri);
        goto done;
    }
    for (int i = 0; i < 3; ++i) {
        tn_buffer_desc desc = {.head = TN_INIT(tn_buffer_desc), .bytes = bytes[i]};
        if (tn_buffer_create(device, &desc, &buffer[i]) != TN_OK) {
            rc = failed("a buffer");
            goto done;
        }
    }

    /* An op is plain data: a kind, its attributes, operands with roles. */
    tn_matmul attr = {.head = TN_INIT(tn_matmul)};
    tn_arg args[] = {{.role = TN_ARG_A, .tensor = matrix(buffer[0], 2, 3)},
                     {.role = TN_ARG_B, .tensor = matrix(buffer[1], 3, 2)},
                     {.role = TN_ARG_OUT, .tensor = matrix(buffer[2], 2, 2)}};
    tn_op op = {
        .head = TN_INIT(tn_op), .kind = TN_OP_MATMUL, .arg_count = 3, .attr = &attr, .args = args};

    /* The device's memory may be its own, so data goes through the queue, in this order. */
    if (tn_queue_write(queue, buffer[0], 0, a, sizeof a, NULL) != TN_OK ||
        tn_queue_write(queue, buffer[1], 0, b, sizeof b, NULL) != TN_OK ||
        tn_compute(queue, &op) != TN_OK ||
        tn_queue_read(queue, out, buffer[2], 0, sizeof out, NULL) != TN_OK ||
        tn_queue_wait_idle(queue, UINT64_MAX) != TN_OK) {
        rc = failed("the matmul");
        goto done;
    }
    printf("[%g %g; %g %g]\n", out[0][0], out[0][1], out[1][0], out[1][1]);
    rc = 0;

done: /* every release takes NULL */
    if (queue != NULL && tn_queue_wait_idle(queue, UINT64_MAX) != TN_OK)
        rc = 1;
    for (int i = 0; i < 3; ++i)
        tn_buffer_release(buffer[i]);
    tn_queue_release(queue);
    tn_device_release(device);
    tn_runtime_release(runtime);
    return rc;
}
