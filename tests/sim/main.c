// SPDX-License-Identifier: MIT
// sim [--count N] [--first SEED] [--seed SEED] [--plant BUG|all]: runs schedules; a failure prints
// the seed that replays it.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "sim.h"

#define PLANT_SCHEDULES 5000

static int usage(void)
{
    (void)fputs("usage: sim [--count N] [--first SEED] [--seed SEED] [--plant BUG|all]\n", stderr);
    return 2;
}

static int run_many(uint64_t first, uint64_t count)
{
    static struct world stats;
    int64_t began_us = clock_mono_us();
    for (uint64_t seed = first; seed < first + count; seed++) {
        const char *fault = sim_run(seed, PLANT_NONE, &stats);
        if (fault) {
            (void)printf("not ok - seed %llu: %s\n", (unsigned long long)seed, fault);
            return 1;
        }
    }
    double s = (double)(clock_mono_us() - began_us) / 1e6;
    (void)printf("ok - %llu schedules in %.1f s (%.0f/s): %llu steps, %llu crashes, %llu events, "
                 "%llu acknowledgements, "
                 "%llu deliveries\n",
                 (unsigned long long)count, s, (double)count / s, (unsigned long long)stats.steps,
                 (unsigned long long)stats.crashes, (unsigned long long)stats.ledger.count,
                 (unsigned long long)stats.ledger.acks_count,
                 (unsigned long long)stats.ledger.deliveries);
    return 0;
}

// Each bug must be found by the ledger within some schedules.
static int run_plants(const char *name, uint64_t first)
{
    int missed = 0;
    bool any = false;
    for (enum plant p = PLANT_SKIP; p < PLANT_NR; p++) {
        if (strcmp(name, "all") != 0 && strcmp(name, plant_name(p)) != 0) {
            continue;
        }
        any = true;
        const char *fault = NULL;
        uint64_t seed = first;
        while (!fault && seed < first + PLANT_SCHEDULES) {
            fault = sim_run(seed++, p, NULL);
        }
        missed += !fault;
        (void)printf("%s - planted %s: %s", fault ? "ok" : "not ok", plant_name(p),
                     fault ? "caught by seed " : "missed\n");
        if (fault) {
            (void)printf("%llu: %s\n", (unsigned long long)(seed - 1), fault);
        }
    }
    return !any ? usage() : missed != 0;
}

int main(int argc, char **argv)
{
    uint64_t first = 1, count = 1000;
    const char *plant = NULL;
    for (int i = 1; i < argc; i += 2) {
        if (i + 1 == argc) {
            return usage();
        } else if (strcmp(argv[i], "--count") == 0) {
            count = strtoull(argv[i + 1], NULL, 10);
        } else if (strcmp(argv[i], "--first") == 0) {
            first = strtoull(argv[i + 1], NULL, 10);
        } else if (strcmp(argv[i], "--seed") == 0) {
            first = strtoull(argv[i + 1], NULL, 10);
            count = 1;
        } else if (strcmp(argv[i], "--plant") == 0) {
            plant = argv[i + 1];
        } else {
            return usage();
        }
    }
    return plant ? run_plants(plant, first) : run_many(first, count);
}
