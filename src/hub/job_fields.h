// SPDX-License-Identifier: MIT
// Inside the job module: the owned strings of a job as a table, for copying, freeing and storing
// them. Shared by job.c and job_store.c; nobody else includes this.
#ifndef CLAIRON_HUB_JOB_FIELDS_H
#define CLAIRON_HUB_JOB_FIELDS_H

#include <stddef.h>

#include "hub/job.h"

#define JOB_TEXTS 13

struct job_text_field {
    const char *name; // in the stored form
    size_t offset;
};

extern const struct job_text_field job_text_fields[JOB_TEXTS];

static inline char **job_text_at(struct job *j, unsigned i)
{
    return (char **)(void *)((char *)j + job_text_fields[i].offset);
}

#endif
