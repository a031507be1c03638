// SPDX-License-Identifier: MIT
// What sio.c (connections and what comes in) and sio_socket.c (namespaces, and what goes out)
// share.
#ifndef CLAIRON_SIO_SIO_INT_H
#define CLAIRON_SIO_SIO_INT_H

#include "base/pool.h"
#include "net/deadline.h"
#include "sio/sio.h"

struct sio {
    struct sio_config cfg;
    struct eio *eio;
    struct pool conns;
    size_t sockets_bytes;
    struct deadlines lonely;     // connections without a namespace
    struct deadlines incomplete; // those that owe attachments
};

struct sio_conn {
    struct sio *sio;
    struct eio_socket *transport;
    void *arg;
    struct deadline deadline;
    struct socketio_reader reader;
    struct sio_socket *sockets;
    uint16_t connected, refused; // namespaces; `refused` since one was accepted
    uint16_t calls;              // of the app's, under way: no socket may be freed
    bool over;                   // closed by us: what still comes is not looked at
};

enum sio_state {
    SIO_CONNECTING,
    SIO_CONNECTED,
    SIO_LEFT, // by sio_disconnect: what comes may have been sent before the client knew
    SIO_GONE, // to be freed
};

struct sio_socket {
    struct sio_conn *conn;
    struct sio_socket *next;
    void *arg;
    uint64_t acks;  // asked for so far: the next one's number
    uint64_t asked; // bit n: the answer to number acks - 1 - n is awaited
    uint8_t state;
    uint8_t nsp_len;
    char nsp[];
};

// ---- sio.c

void sio_conn_end(struct sio_conn *c);
void sio_conn_end_for_limit(struct sio_conn *c, enum limit_row limit);
void sio_conn_set_deadline(struct sio_conn *c); // which time runs now?

// ---- sio_socket.c

// Of those that are not gone; NULL: none.
struct sio_socket *sio_find(const struct sio_conn *c, struct str nsp);
unsigned sio_count(const struct sio_conn *c); // of the same
struct sio_socket *sio_try_add(struct sio_conn *c, struct str nsp);
void sio_set_state(struct sio_socket *s, enum sio_state state);
// Around each call of the app's, and around changes: what is gone is freed after the last.
void sio_begin_call(struct sio_conn *c);
void sio_end_call(struct sio_conn *c);

#endif
