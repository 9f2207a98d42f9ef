/* SPDX-License-Identifier: Apache-2.0 */
/* The record of every candidate that a plan looked at, chosen or refused. */
/* path: api > [placement] > queue > backend > kernel > device */
#include "hal/plan.h"

static size_t text_bytes(const char *s)
{
    return s == NULL ? 0 : strlen(s) + 1;
}

static const char *put(char **at, const char *s)
{
    size_t n = text_bytes(s);
    if (n == 0)
        return NULL;
    char *to = *at;
    memcpy(to, s, n);
    *at += n;
    return to;
}

void tn__choices_add(void *self, const tn_choice *choice)
{
    tn__choices *c = self;
    size_t bytes = sizeof(tn__choice_row) + text_bytes(choice->device) +
                   text_bytes(choice->kernel) + text_bytes(choice->reason) +
                   text_bytes(choice->text) + text_bytes(choice->file);
    tn__choice_row *row = tn__alloc(c->runtime, bytes);
    if (row == NULL) {
        c->status = TN_STATUS_NO_MEMORY;
        return;
    }
    char *at = (char *)(row + 1);
    row->bytes = bytes;
    row->choice = *choice;
    row->choice.device = put(&at, choice->device);
    row->choice.kernel = put(&at, choice->kernel);
    row->choice.reason = put(&at, choice->reason);
    row->choice.text = put(&at, choice->text);
    row->choice.file = put(&at, choice->file);
    if (c->last != NULL)
        c->last->next = row;
    else
        c->first = row;
    c->last = row;
}

tn_status tn__choices_status(const tn__choices *c)
{
    return c->status == TN_OK ? TN_OK
                              : tn__fail(c->status, "plan.choices", NULL,
                                         "no host memory to keep why candidates were refused; free "
                                         "something and try again");
}

void tn__choices_add_error(tn__choices *c, const char *device)
{
    tn_error e;
    tn_error_last(&e);
    tn_choice choice = {.device = device,
                        .kernel = "",
                        .reason = e.reason,
                        .text = e.text,
                        .file = e.file,
                        .line = e.line};
    tn__choices_add(c, &choice);
}

void tn__choices_visit(const tn__choices *c, tn_choice_fn fn, void *self)
{
    for (const tn__choice_row *r = c->first; r != NULL; r = r->next)
        fn(self, &r->choice);
}

void tn__choices_free(tn__choices *c)
{
    while (c->first != NULL) {
        tn__choice_row *row = c->first;
        c->first = row->next;
        tn__free(c->runtime, row, row->bytes);
    }
    c->last = NULL;
}
