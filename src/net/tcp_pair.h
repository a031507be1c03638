// SPDX-License-Identifier: MIT
// For tests: two ends of one TCP connection over loopback.
#ifndef CLAIRON_NET_TCP_PAIR_H
#define CLAIRON_NET_TCP_PAIR_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "net/conn.h"

// fds[0] connected, fds[1] was accepted. `rcvbuf`: of fds[0], 0 for the kernel's choice.
static inline void tcp_pair(int fds[2], int rcvbuf)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(a);
    int l = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(l, (void *)&a, sizeof(a)), 0);
    assert_int_equal(listen(l, 1), 0);
    conn_prepare_listener(l);
    assert_int_equal(getsockname(l, (void *)&a, &len), 0);
    fds[0] = socket(AF_INET, SOCK_STREAM, 0);
    if (rcvbuf) {
        assert_int_equal(setsockopt(fds[0], SOL_SOCKET, SO_RCVBUF, &rcvbuf, sizeof(rcvbuf)), 0);
    }
    assert_int_equal(connect(fds[0], (void *)&a, sizeof(a)), 0);
    fds[1] = accept(l, NULL, NULL);
    assert_true(fds[1] >= 0);
    close(l);
}

#endif
