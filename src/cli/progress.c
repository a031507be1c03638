// SPDX-License-Identifier: MIT
// `clairon progress`: inside a job, how far it is.
#include <stddef.h>

#include "cli/cli.h"
#include "cli/control.h"
#include "cli/opts.h"

int cmd_progress(int argc, char **argv)
{
    const struct opts opts = {
        .command = "progress",
        .words = "N [MESSAGE]",
        .about = "Inside a command started by `clairon run`: reports that the job is at N percent.",
        .words_min = 1,
        .words_max = 2,
    };
    int words, status;
    if (!opts_parse(&opts, argc, argv, &words, &status)) {
        return status;
    }
    double percent;
    if (!control_parse_percent(str_of(argv[1]), &percent)) {
        cli_say("progress", "N is a number from 0 to 100, not %s", argv[1]);
        return EXIT_USAGE;
    }
    return control_send("progress", "progress", argv[1], words > 1 ? argv[2] : NULL);
}
