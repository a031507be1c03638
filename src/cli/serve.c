// SPDX-License-Identifier: MIT
// `clairon serve`: the hub.
#include "base/compiler.h"
#include "cli/cli.h"
#include "cli/opts.h"
#include "server/server.h"

int cmd_serve(int argc, char **argv)
{
    static struct opt_list listens;
    const char *config = NULL, *data = NULL, *send = NULL;
    bool check = false;
    const struct opt table[] = {
        {"config", OPT_TEXT, &config, "FILE", "the configuration (YAML)"},
        {"listen", OPT_LIST, &listens, "HOST:PORT",
         "where to listen, instead of the configuration's addresses; port 0 picks one (default "
         "127.0.0.1:8000)"},
        {"data", OPT_TEXT, &data, "DIR", "where events and jobs are kept (default ./data)"},
        {"send", OPT_TEXT, &send, "MODE",
         "how bytes are sent: uring (io_uring), plain, or auto: io_uring if there is one (default "
         "auto)"},
        {"check", OPT_FLAG, &check, NULL, "only read the configuration"},
    };
    const struct opts o = {
        .command = "serve",
        .words = "",
        .about = "Runs the hub. When it is ready it prints one line for each address,\n"
                 "`listening on http://HOST:PORT`. SIGTERM and SIGINT let it finish and end with "
                 "status 0.",
        .table = table,
        .count = ARRAY_LEN(table),
    };
    int words, status;
    if (!opts_parse(&o, argc, argv, &words, &status)) {
        return status;
    }
    return server_run(&(struct server_options){.config_path = config,
                                               .listens = listens.items,
                                               .listens_count = listens.count,
                                               .data_dir = data,
                                               .send = send,
                                               .check = check});
}
