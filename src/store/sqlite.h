// SPDX-License-Identifier: MIT
// The store on disk: one SQLite database per realm in write-ahead mode, in DIR/realms/default, held
// by an exclusive lock.
//
// Statuses and messages of jobs are rows, indexed by job, kind, type, owner and project: the topics
// of a job's event follow from those and are never stored. Lines of a job's log are chunks per
// (job, attempt, commit); events with explicit topics are chunks per (topic, commit). Progress is
// only in the job's row.
#ifndef CLAIRON_STORE_SQLITE_H
#define CLAIRON_STORE_SQLITE_H

#include "base/clock.h"
#include "base/compiler.h"
#include "hub/store.h"

struct store_sqlite_options {
    struct hash_key key; // of the realm
    struct now now;
    const char *boot_id; // NULL: the kernel's; tests give their own
};

// -E_IO, -E_STORAGE_FULL, -E_CONFLICT (in use, or not ours, or from a newer version), with one line
// in `fault`. On success a fault that is not empty is a warning: the database was damaged, was put
// aside, and a new one begun.
int store_sqlite_open(const char *dir, const struct store_sqlite_options *o, struct store **ret,
                      struct store_info *info, char fault[256]) MUST_CHECK;

#endif
