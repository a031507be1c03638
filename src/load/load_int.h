// SPDX-License-Identifier: MIT
// The inside of a load test: what subscribers, publishers and the course of the run share. One
// thread. All is owned by struct load and lives until the run ends.
#ifndef CLAIRON_LOAD_LOAD_INT_H
#define CLAIRON_LOAD_LOAD_INT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>

#include "base/buf.h"
#include "base/compiler.h"
#include "load/choice.h"
#include "load/deflate.h"
#include "load/frames.h"
#include "load/hist.h"
#include "load/ledger.h"
#include "load/load.h"
#include "load/marker.h"
#include "load/meter.h"
#include "load/packets.h"
#include "load/target.h"
#include "wire/http1.h"
#include "wire/ws_deflate.h"
#include "wire/ws_handshake.h"

#define LOAD_READ_BYTES 65536
#define LOAD_BATCH      512
#define LOAD_SECOND_NS  INT64_C(1000000000)

struct load;

// ---- Descriptors (pump.c).

struct watch {
    int fd; // -1: closed
    void (*fn)(struct watch *w, uint32_t events);
};

int64_t pump_clock_ns(void); // CLOCK_MONOTONIC
// Edge-triggered. False: errno says why.
bool pump_add(struct load *l, struct watch *w, uint32_t events) MUST_CHECK;
void pump_del(struct load *l, struct watch *w);
// Waits for descriptors, at most until then, and serves those of one batch.
void pump_turn(struct load *l, int64_t until_ns);

// ---- A connection, as subscribers and publishers have it (peer.c).

struct peer {
    struct watch watch;
    struct load *load;
    char *rest; // bytes that were not used up
    uint32_t rest_len, rest_cap;
    bool paused;                  // is not read from
    bool shaken;                  // the handshake of TLS is done
    struct tls_conn *tls;         // NULL: none
    bool upgraded;                // the answer to the handshake has come
    bool offered;                 // compression, by us
    bool deflate;                 // and it agreed to compression
    bool unread;                  // compressed messages are not inflated any more
    struct ws_inflater *inflater; // NULL: that of all, as nothing is kept between messages
};

struct peer_ops {
    // Takes bytes and says how many it used up. The rest is offered again in front of the next.
    // NULL: it is a WebSocket.
    size_t (*take)(struct peer *p, const char *bytes, size_t len);
    // Of a WebSocket: it is open, and a message or a piece of one has come. They may close it.
    void (*opened)(struct peer *p);
    void (*message)(struct peer *p, struct str text);
    // A compressed message has come that is not to be inflated.
    void (*unread)(struct peer *p);
    // The connection can't be used any more: closes it.
    void (*lost)(struct peer *p, const char *why);
};

// Begins to connect, as the n-th of all connections. False: errno says why.
bool peer_connect(struct peer *p, const struct target *t, unsigned n) MUST_CHECK;
// Of a socket that was connecting: 0, or errno; EAGAIN: the handshake of TLS goes on. In load->why:
// what that means.
int peer_connected(struct peer *p);
// Reads until there is nothing more, or the peer is closed or paused; `ended`: the other side said
// that it sends no more.
void peer_read(struct peer *p, const struct peer_ops *ops, bool ended);
// Sends all of it or fails: for what is small.
bool peer_send(struct peer *p, struct str bytes);
// Sends the request that opens a WebSocket; a subscriber offers compression if it is to.
bool peer_ask_upgrade(struct peer *p, const struct target *t,
                      const struct template_values *v) MUST_CHECK;
// From now on compressed messages are only counted.
void peer_stop_inflating(struct peer *p);
// With TLS: puts bytes into the form in which they are sent.
bool peer_seal(struct peer *p, struct buf *bytes) MUST_CHECK;
void peer_close(struct peer *p); // idempotent

// Heads and bodies of answers.
struct answer {
    bool in_body;
    struct http1_body body;
};
// -E_AGAIN: the head is not whole; 0: load->response is filled and *ret_used says how long it is.
// -E_PROTOCOL: this is no HTTP, as load->why says.
int answer_head(struct load *l, struct answer *a, struct str bytes, size_t *ret_used) MUST_CHECK;
// In load->why: what the answer's status was.
void answer_status(struct load *l);

// ---- Subscribers (client.c).

enum client_state {
    CLIENT_NONE,
    CLIENT_CONNECTING,
    CLIENT_OPENING, // the request is out
    CLIENT_WAITING, // for what tells that it is ready
    CLIENT_READY,
    CLIENT_GONE,
};

struct http_client; // what a subscriber over HTTP has in addition (client_http.c)
struct socketio;    // and one that speaks Socket.IO (client_socketio.c)

struct client {
    struct peer peer;
    uint32_t number;
    uint8_t state;
    bool slow;
    bool counts;               // its messages, when it is ready, and does not read them
    uint32_t ready_left;       // messages that must still come
    uint64_t got;              // events, of a slow one or one that counts
    uint64_t wanted;           // of a slow one that reads on
    int64_t begun_ns;          // when it was due to connect
    struct http_client *http;  // NULL: a WebSocket
    struct socketio *socketio; // NULL: it speaks something else
};

void client_start(struct client *c, int64_t due_ns);
void client_fini(struct client *c);
// A slow one begins to read.
void client_read_on(struct client *c);
struct template_values client_values(const struct client *c);
void client_lost(struct client *c, const char *why); // the connection failed or ended
void client_ready(struct client *c);
void client_marker(struct client *c, struct marker m);

struct http_client *http_client_new(void);
void http_client_free(struct http_client *h);
// Sends the request that opens the stream or asks for the next.
bool http_client_ask(struct client *c) MUST_CHECK;
// Takes the bytes of a stream or of polled answers, as peer_ops.take.
size_t http_client_take(struct client *c, const char *bytes, size_t len);

struct socketio *socketio_new(void);
void socketio_free(struct socketio *s); // accepts NULL
// A message of a WebSocket, and what there is to say to it. Here and below false: the client is
// lost.
bool socketio_message(struct client *c, struct str text);
// Of polling: sends the next request; a piece of an answer has come; an answer is over.
bool socketio_ask(struct client *c) MUST_CHECK;
bool socketio_piece(struct client *c, struct str piece);
bool socketio_end(struct client *c);

// ---- Publishers (lane.c).

enum lane_state { LANE_NONE, LANE_CONNECTING, LANE_OPENING, LANE_IDLE, LANE_BUSY, LANE_GONE };

struct lane {
    struct peer peer;
    unsigned number;
    uint8_t state;
    unsigned answers;    // had of the burst under way
    unsigned requests;   // of the burst under way
    uint64_t burst;      // under way
    uint64_t next_burst; // for a rate: this lane's own next
    struct buf out;
    size_t sent;
    struct answer answer;
};

void lane_start(struct lane *n);
void lane_fini(struct lane *n);
// Sends burst number `burst`; the lane must be idle. It is idle again when all is sent and, over
// HTTP, answered.
void lane_publish(struct lane *n, uint64_t burst, int64_t due_ns);

// ---- The run (run.c, course.c).

struct load {
    const struct load_config *cfg;
    struct load_result *result;
    struct target sub, pub;
    const char *on_open, *ready, *body, *item;
    char key[WS_KEY_TEXT_SIZE]; // of all handshakes: a hub can't tell, and it need not be kept

    int epoll_fd;
    struct epoll_event batch[LOAD_BATCH];
    struct watch interrupt;
    unsigned interrupts;
    int64_t now_ns; // as of the last read
    char *memory;   // room for a rest, then for what is read, then for what that was under TLS
    struct ws_inflater *inflater; // for all who keep nothing between messages
    struct buf inflated;

    struct client *clients;
    struct ledger *ledgers; // one for each client and publisher
    struct choice choice;
    unsigned connecting;
    bool storm; // the time that connecting takes is what is measured

    struct lane *lanes;
    unsigned lanes_up, lanes_gone;
    struct buf payload, events, text; // scratch for what is sent

    // Events by number: those sent are below seq_sent, those measured in from..to.
    uint64_t seq_sent, seq_measured, seq_measured_end;
    uint8_t *refused; // for each event of a run with slow clients: was it refused?
    size_t refused_cap;
    int64_t begun_ns;      // markers due before are of another run
    int64_t outstanding;   // deliveries to come
    unsigned slow_reading; // slow ones that are not complete
    int64_t progress_ns;   // when something last went on
    uint64_t deliveries;   // of all events
    bool broken;           // there is no sense in going on
    bool measuring;
    struct hist latency;
    struct meter meter;
    int64_t spun_ns; // processor time in which there was nothing to do
    struct http1_response response;
    char why[200];
};

// Says what went wrong: the first is kept.
void load_problem(struct load *l, const char *fmt, ...) PRINTF_LIKE(2, 3);
// Waits as pump_turn does, and takes the samples of memory that are due.
void load_turn(struct load *l, int64_t until_ns);
bool load_stopped(const struct load *l);
// The span whose events, deliveries and processor time are told. Ending what did not begin is fine.
void load_measure_begin(struct load *l);
void load_measure_end(struct load *l);
// Nothing went on for too long.
bool load_stalled(const struct load *l);

// The parts of a run, in this order (course.c).
void course_open_lanes(struct load *l);
void course_connect(struct load *l);
void course_settle(struct load *l);
void course_serial(struct load *l);
void course_rate(struct load *l);
void course_drain(struct load *l);
void course_slow(struct load *l);

#endif
