// SPDX-License-Identifier: MIT
// `clairon step`: inside a job, what it does now.
#include <stddef.h>

#include "cli/cli.h"
#include "cli/control.h"
#include "cli/opts.h"

int cmd_step(int argc, char **argv)
{
    const struct opts opts = {
        .command = "step",
        .words = "NAME [MESSAGE]",
        .about = "Inside a command started by `clairon run`: reports the step that begins.",
        .words_min = 1,
        .words_max = 2,
    };
    int words, status;
    if (!opts_parse(&opts, argc, argv, &words, &status)) {
        return status;
    }
    if (argv[1][0] == '\0') {
        cli_say("step", "NAME is empty");
        return EXIT_USAGE;
    }
    return control_send("step", "step", argv[1], words > 1 ? argv[2] : NULL);
}
