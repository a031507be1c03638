// SPDX-License-Identifier: MIT
// uWebSockets as a hub: who comes on `/` is on the topic `bench` and on a quiet one of its own;
// each message that comes on `/publish` is published to `bench`. Heartbeat as it is by default, no
// compression.
//
//   uws [PORT]
//
// Prints `listening on http://127.0.0.1:PORT`. Ends with SIGTERM.
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>

#include <sys/resource.h>
#include <unistd.h>

#include "App.h"

namespace
{

struct nothing {
};

// By default uWebSockets drops what exceeds 64 KiB waiting at one connection: this lets it deliver
// everything.
constexpr unsigned BACKPRESSURE_MAX = 256 * 1024 * 1024;

void raise_file_limit()
{
    rlimit files{};
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &files);
    }
}

} // namespace

int main(int argc, char **argv)
{
    raise_file_limit();
    std::signal(SIGTERM, [](int) { _exit(0); });
    unsigned long long connections = 0;
    uWS::App app;

    uWS::App::WebSocketBehavior<nothing> subscriber;
    subscriber.compression = uWS::DISABLED;
    subscriber.maxBackpressure = BACKPRESSURE_MAX;
    subscriber.open = [&connections](auto *ws) {
        ws->subscribe("bench");
        ws->subscribe("quiet:" + std::to_string(++connections));
    };

    uWS::App::WebSocketBehavior<nothing> publisher;
    publisher.compression = uWS::DISABLED;
    publisher.maxPayloadLength = 1024 * 1024;
    publisher.message = [&app](auto *, std::string_view message, uWS::OpCode code) {
        app.publish("bench", message, code);
    };

    app.ws<nothing>("/publish", std::move(publisher));
    app.ws<nothing>("/*", std::move(subscriber));
    app.listen("127.0.0.1", argc > 1 ? std::atoi(argv[1]) : 0, [](auto *listener) {
        if (!listener) {
            (void)std::fputs("uws: can't listen\n", stderr);
            std::exit(1);
        }
        std::printf("listening on http://127.0.0.1:%d\n",
                    us_socket_local_port(0, reinterpret_cast<us_socket_t *>(listener)));
        (void)std::fflush(stdout);
    });
    app.run();
}
